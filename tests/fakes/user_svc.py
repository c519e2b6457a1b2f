"""Users in memory, with the rules of the real store."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from user_svc import domain, tokens
from user_svc.tokens import Kind


@dataclass
class Kept:
    """A token and whom it belongs to."""

    username: str
    token: tokens.AccessToken
    last_used_at: datetime


class FakeUserStore:
    """See user_svc.store.UserStore."""

    def __init__(self) -> None:
        self.users: dict[str, domain.User] = {}  # by name in lower case
        self.created: dict[str, datetime] = {}
        self.identities: dict[tuple[str, str], tuple[str, str]] = {}  # → name and login
        self.tickets: set[bytes] = set()
        self.tokens: dict[bytes, Kept] = {}
        self.removals: dict[uuid.UUID, tuple[domain.Removal, datetime]] = {}
        self.told: list[uuid.UUID] = []

    def sign_in(
        self,
        identity: domain.Identity,
        token: tokens.AccessToken,
        ticket: bytes | None = None,
        *,
        newcomers: bool = True,
        most: int = 50,
    ) -> domain.User:
        if ticket in self.tickets:
            raise domain.used_ticket()
        key = (identity.provider, identity.subject)
        if key not in self.identities:
            if not newcomers:
                raise domain.sign_up_closed()
            self.identities[key] = (self._free(identity), identity.login)
            self.created[self.identities[key][0]] = token.created_at
        if ticket is not None:
            self.tickets.add(ticket)
        name, _ = self.identities[key]
        self.identities[key] = (name, identity.login)
        user = domain.User(name, identity.name, identity.email)
        self.users[name.lower()] = user
        self._drop_expired(name, token.created_at)
        sessions = sorted(
            self._of(name, [Kind.SESSION]),
            key=lambda kept: (kept.last_used_at, kept.token.created_at),
            reverse=True,
        )
        for kept in sessions[most - 1 :]:
            del self.tokens[kept.token.hash]
        self.tokens[token.hash] = Kept(name, token, token.created_at)
        return replace(user)

    def verify(self, token_hash: bytes, now: datetime) -> tokens.Grant:
        kept = self.tokens.get(token_hash)
        if kept is None or kept.token.expires_at <= now:
            raise tokens.access_denied()
        if kept.last_used_at <= now - tokens.USED_AGAIN_AFTER:
            kept.last_used_at = now
        token = kept.token
        return tokens.Grant(kept.username, token.expires_at, token.id, token.kind, token.scopes)

    def revoke(self, token_hash: bytes) -> None:
        self.tokens.pop(token_hash, None)

    def add_token(self, username: str, token: tokens.AccessToken, most: int) -> None:
        if username not in [user.username for user in self.users.values()]:
            raise domain.no_such_user()
        self._drop_expired(username, token.created_at)
        if len(self._of(username, [token.kind])) >= most:
            raise tokens.too_many_tokens(most)
        self.tokens[token.hash] = Kept(username, token, token.created_at)

    def get_tokens(self, username: str, now: datetime) -> list[tokens.KeptToken]:
        good = [kept for kept in self._of(username, list(Kind)) if kept.token.expires_at > now]
        good.sort(key=lambda kept: kept.token.id)
        good.sort(key=lambda kept: kept.token.created_at, reverse=True)
        return [
            tokens.KeptToken(
                kept.token.id,
                kept.token.kind,
                kept.token.name,
                kept.token.scopes,
                kept.token.created_at,
                kept.last_used_at,
                kept.token.expires_at,
            )
            for kept in good
        ]

    def delete_token(self, username: str, token_id: uuid.UUID) -> Kind:
        for kept in self._of(username, list(Kind)):
            if kept.token.id == token_id:
                return self.tokens.pop(kept.token.hash).token.kind
        raise tokens.no_such_token()

    def delete_tokens(self, username: str, kinds: Sequence[Kind]) -> int:
        found = self._of(username, kinds)
        for kept in found:
            del self.tokens[kept.token.hash]
        return len(found)

    def get(self, username: str) -> domain.User:
        try:
            return self.users[username.lower()]
        except KeyError:
            raise domain.no_such_user() from None

    def profile(self, username: str) -> domain.Profile:
        pairs = sorted(
            (provider, login)
            for (provider, _), (name, login) in self.identities.items()
            if name == username
        )
        if not pairs:
            raise domain.no_such_user()
        return domain.Profile(self.get(username), self.created[username], tuple(pairs))

    def remove(self, username: str, now: datetime) -> uuid.UUID:
        if username not in [user.username for user in self.users.values()]:
            raise domain.no_such_user()
        self.delete_tokens(username, list(Kind))
        self.identities = {key: to for key, to in self.identities.items() if to[0] != username}
        del self.users[username.lower()]
        removal = domain.Removal(uuid.uuid4(), username, now, domain.KEEPERS)
        self.removals[removal.id] = (removal, now)
        self.told.append(removal.id)
        return removal.id

    def removal(self, removal_id: uuid.UUID) -> domain.Removal | None:
        found = self.removals.get(removal_id)
        return found and found[0]

    def confirm(self, removal_id: uuid.UUID, service: str) -> None:
        if removal_id in self.removals:
            removal, told_at = self.removals.pop(removal_id)
            left = tuple(each for each in removal.left if each != service)
            if left:
                self.removals[removal_id] = (replace(removal, left=left), told_at)

    def tell_again(self, now: datetime) -> int:
        late = [
            removal_id
            for removal_id, (_, told_at) in self.removals.items()
            if told_at <= now - domain.TELL_AGAIN_AFTER
        ]
        for removal_id in late:
            self.removals[removal_id] = (self.removals[removal_id][0], now)
            self.told.append(removal_id)
        return len(late)

    def _free(self, identity: domain.Identity) -> str:
        leaving = {removal.username.lower() for removal, _ in self.removals.values()}
        for name in identity.usernames():
            if name.lower() in leaving:
                raise domain.being_removed()
            if name.lower() not in self.users:
                return name
        raise AssertionError

    def _of(self, username: str, kinds: Sequence[Kind]) -> list[Kept]:
        return [
            kept
            for kept in self.tokens.values()
            if kept.username == username and kept.token.kind in kinds
        ]

    def _drop_expired(self, username: str, now: datetime) -> None:
        for kept in self._of(username, list(Kind)):
            if kept.token.expires_at <= now:
                del self.tokens[kept.token.hash]
