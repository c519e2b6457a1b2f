"""Users in memory, with the rules of the real store."""

from dataclasses import replace
from datetime import datetime

from user_svc import domain


class FakeUserStore:
    """See user_svc.store.UserStore."""

    def __init__(self) -> None:
        self.users: dict[str, domain.User] = {}  # by name in lower case
        self.names: dict[tuple[str, str], str] = {}  # by provider and subject
        self.tickets: set[bytes] = set()
        self.tokens: dict[bytes, tuple[str, datetime, datetime]] = {}  # name, expiry, last use

    def sign_in(
        self,
        identity: domain.Identity,
        token: domain.AccessToken,
        ticket: bytes | None = None,
        *,
        newcomers: bool = True,
    ) -> domain.User:
        if ticket in self.tickets:
            raise domain.used_ticket()
        key = (identity.provider, identity.subject)
        if key not in self.names:
            if not newcomers:
                raise domain.sign_up_closed()
            self.names[key] = next(
                name for name in identity.usernames() if name.lower() not in self.users
            )
        if ticket is not None:
            self.tickets.add(ticket)
        name = self.names[key]
        user = domain.User(name, identity.name, identity.email)
        self.users[name.lower()] = user
        self.tokens = {
            token_hash: kept
            for token_hash, kept in self.tokens.items()
            if kept[0] != name or kept[1] > token.created_at
        }
        self.tokens[token.hash] = (name, token.expires_at, token.created_at)
        return replace(user)

    def verify(self, token_hash: bytes, now: datetime) -> domain.Grant:
        name, expires_at, last_used_at = self.tokens.get(token_hash, ("", now, now))
        if expires_at <= now:
            raise domain.access_denied()
        if last_used_at <= now - domain.USED_AGAIN_AFTER:
            self.tokens[token_hash] = (name, expires_at, now)
        return domain.Grant(name, expires_at)

    def revoke(self, token_hash: bytes) -> None:
        self.tokens.pop(token_hash, None)

    def get(self, username: str) -> domain.User:
        try:
            return self.users[username.lower()]
        except KeyError:
            raise domain.no_such_user() from None
