"""Users, identities and tokens in PostgreSQL."""

from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from chassis.database.transactions import each_statement_alone
from user_svc import domain
from user_svc.models import IdentityRow, TokenRow, UsedTicketRow, UserRow

# Asked for with every request: made once, as that takes longer than asking.
_GRANT = (
    select(UserRow.username, TokenRow.expires_at, TokenRow.last_used_at)
    .join(UserRow, UserRow.id == TokenRow.user_id)
    .where(TokenRow.token_hash == bindparam("token_hash"), TokenRow.expires_at > bindparam("now"))
)


class UserStore:
    """Takes and returns domain values; each public method is one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def sign_in(
        self,
        identity: domain.Identity,
        token: domain.AccessToken,
        ticket: bytes | None = None,
        *,
        newcomers: bool = True,
    ) -> domain.User:
        """Return the person behind an identity, new or known, and keep a token for them.

        ``ticket`` names this one sign-in, which lets nobody in a second time. Raises
        ``invalid_state``, and ``sign_up_closed`` where ``newcomers`` may not come.
        """
        with self.session.begin():
            if ticket is not None:
                self._use_up(ticket, token.created_at)
            user = self._known(identity)
            if user is None:
                if not newcomers:
                    raise domain.sign_up_closed()
                user = self._newcomer(identity, token.created_at)
            self._keep(token, user.id)
            return domain.User(user.username, user.name, user.email)

    def verify(self, token_hash: bytes, now: datetime) -> domain.Grant:
        """Return whom a token speaks for; raise ``access_denied`` if it is not good now."""
        with each_statement_alone(self.session):
            found = self.session.execute(
                _GRANT, {"token_hash": token_hash, "now": now}
            ).one_or_none()
            if found is None:
                raise domain.access_denied()
            if found.last_used_at <= now - domain.USED_AGAIN_AFTER:
                self._note_use(token_hash, now)
            return domain.Grant(found.username, found.expires_at)

    def revoke(self, token_hash: bytes) -> None:
        """Forget a token, if it is known."""
        with self.session.begin():
            self.session.execute(delete(TokenRow).where(TokenRow.token_hash == token_hash))

    def get(self, username: str) -> domain.User:
        """Return the user of this name, in whatever case; raise ``no_such_user``."""
        query = select(UserRow).where(func.lower(UserRow.username) == username.lower())
        with each_statement_alone(self.session):
            user = self.session.scalar(query)
            if user is None:
                raise domain.no_such_user()
            return domain.User(user.username, user.name, user.email, user.created_at)

    def _use_up(self, ticket: bytes, now: datetime) -> None:
        forgotten = delete(UsedTicketRow).where(
            UsedTicketRow.used_at < now - domain.TICKETS_REMEMBERED
        )
        self.session.execute(forgotten)
        used = self.session.scalar(
            insert(UsedTicketRow)
            .values(ticket=ticket, used_at=now)
            .on_conflict_do_nothing()
            .returning(UsedTicketRow.ticket)
        )
        if used is None:
            raise domain.used_ticket()

    def _known(self, identity: domain.Identity) -> UserRow | None:
        """Return the person, with what the provider says of them now."""
        key = (identity.provider, identity.subject)
        row = self.session.get(IdentityRow, key, populate_existing=True)
        if row is None:
            return None
        user = self.session.get_one(UserRow, row.user_id)
        row.login, user.name, user.email = identity.login, identity.name, identity.email
        return user

    def _newcomer(self, identity: domain.Identity, now: datetime) -> UserRow:
        # One person may sign in twice at once: the second waits here and then finds the first.
        lock = func.hashtextextended(f"{identity.provider}\n{identity.subject}", 0)
        self.session.execute(select(func.pg_advisory_xact_lock(lock)))
        if known := self._known(identity):
            return known
        user = self._named(identity, now)
        self.session.add(
            IdentityRow(
                provider=identity.provider,
                subject=identity.subject,
                login=identity.login,
                user_id=user.id,
            )
        )
        return user

    def _named(self, identity: domain.Identity, now: datetime) -> UserRow:
        """Add a user under the first name that is free, also among people who come just now."""
        for username in identity.usernames():
            user = self.session.scalar(
                insert(UserRow)
                .values(username=username, name=identity.name, email=identity.email, created_at=now)
                .on_conflict_do_nothing()
                .returning(UserRow)
            )
            if user is not None:
                return user
        raise AssertionError("the names to try have no end")

    def _keep(self, token: domain.AccessToken, user_id: int) -> None:
        now = token.created_at
        expired = delete(TokenRow).where(TokenRow.user_id == user_id, TokenRow.expires_at <= now)
        self.session.execute(expired)
        self.session.add(
            TokenRow(
                token_hash=token.hash,
                user_id=user_id,
                created_at=now,
                expires_at=token.expires_at,
                last_used_at=now,
            )
        )

    def _note_use(self, token_hash: bytes, now: datetime) -> None:
        """Record a use, unless a parallel call has done so."""
        self.session.execute(
            update(TokenRow)
            .where(
                TokenRow.token_hash == token_hash,
                TokenRow.last_used_at <= now - domain.USED_AGAIN_AFTER,
            )
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )
