"""Users and their identities in PostgreSQL."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database.transactions import each_statement_alone
from user_svc import domain, tokens
from user_svc.models import IdentityRow, RemovalRow, UsedTicketRow, UserRow
from user_svc.removal_store import RemovalStore

_REMOVED = select(RemovalRow.id).where(RemovalRow.user_id == UserRow.id).exists()


class UserStore(RemovalStore):
    """Takes and returns domain values; each public method is one transaction."""

    def sign_in(
        self,
        identity: domain.Identity,
        token: tokens.AccessToken,
        ticket: bytes | None = None,
        *,
        newcomers: bool = True,
        most: int = 50,
    ) -> domain.User:
        """Return the person behind an identity, new or known, and keep a session for them.

        ``ticket`` names this one sign-in, which lets nobody in a second time. Raises
        ``invalid_state``, ``sign_up_closed`` where ``newcomers`` may not come, and
        ``account_being_removed`` where not everything is gone yet of whoever had the name.
        """
        with self.session.begin():
            if ticket is not None:
                self._use_up(ticket, token.created_at)
            user = self._known(identity)
            if user is None:
                if not newcomers:
                    raise domain.sign_up_closed()
                user = self._newcomer(identity, token.created_at)
            self._keep_session(token, user.id, most)
            return domain.User(user.username, user.name, user.email)

    def get(self, username: str) -> domain.User:
        """Return the user of this name, in whatever case; raise ``no_such_user``."""
        query = select(UserRow).where(func.lower(UserRow.username) == username.lower(), ~_REMOVED)
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

    def profile(self, username: str) -> domain.Profile:
        """Return what a person may know of themselves; raise ``no_such_user``."""
        query = select(UserRow).where(UserRow.username == username, ~_REMOVED)
        with self.session.begin():
            row = self.session.scalar(query)
            if row is None:
                raise domain.no_such_user()
            identities = self.session.execute(
                select(IdentityRow.provider, IdentityRow.login)
                .where(IdentityRow.user_id == row.id)
                .order_by(IdentityRow.provider, IdentityRow.login)
            ).all()
            user = domain.User(row.username, row.name, row.email)
            pairs = tuple((each.provider, each.login) for each in identities)
            return domain.Profile(user, row.created_at, pairs)

    def _known(self, identity: domain.Identity) -> UserRow | None:
        """Return the person, with what the provider says of them now."""
        key = (identity.provider, identity.subject)
        row = self.session.get(IdentityRow, key, populate_existing=True)
        if row is None:
            return None
        # Locked: whoever is being removed at this moment is so afterwards.
        user = self.session.get(UserRow, row.user_id, populate_existing=True, with_for_update=True)
        if user is None or self._is_being_removed(user.username):
            raise domain.being_removed()
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
            if self._is_being_removed(username):
                raise domain.being_removed()
        raise AssertionError("the names to try have no end")

    def _is_being_removed(self, username: str) -> bool:
        query = select(_REMOVED).where(func.lower(UserRow.username) == username.lower())
        return bool(self.session.scalar(query))
