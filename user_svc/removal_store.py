"""The removal of users in PostgreSQL: at once here, and everywhere else by an event."""

import uuid
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chassis.database.transactions import each_statement_alone
from chassis.outbox import Dispatch
from user_svc import domain
from user_svc.models import IdentityRow, RemovalRow, TokenRow, UserRow
from user_svc.token_store import TokenStore


class RemovalStore(TokenStore):
    """Takes and returns domain values; each public method is one transaction.

    An event of a removal says its id and nothing of the person: who handles it asks whom it means.
    """

    def __init__(self, session: Session, dispatch: Dispatch) -> None:
        super().__init__(session)
        self.dispatch = dispatch

    def remove(self, username: str, now: datetime) -> uuid.UUID:
        """Remove a person, but for the name, which is taken until nothing of them is left.

        Raise ``no_such_user``.
        """
        with self.session.begin():
            user = self._locked(username)
            for model in (TokenRow, IdentityRow):
                self.session.execute(delete(model).where(model.user_id == user.id))
            user.name = user.email = ""
            removal = RemovalRow(
                id=uuid.uuid4(), user_id=user.id, removed_at=now, told_at=now, left=domain.KEEPERS
            )
            self.session.add(removal)
            self._tell(removal.id)
            return removal.id

    def removal(self, removal_id: uuid.UUID) -> domain.Removal | None:
        """Return a removal, or None when it is finished."""
        query = (
            select(RemovalRow.removed_at, RemovalRow.left, UserRow.username)
            .join(UserRow, UserRow.id == RemovalRow.user_id)
            .where(RemovalRow.id == removal_id)
        )
        with each_statement_alone(self.session):
            row = self.session.execute(query).one_or_none()
        if row is None:
            return None
        return domain.Removal(removal_id, row.username, row.removed_at, tuple(row.left))

    def confirm(self, removal_id: uuid.UUID, service: str) -> None:
        """Note that a service keeps nothing any more; the last one frees the name."""
        with self.session.begin():
            left = self.session.execute(
                update(RemovalRow)
                .where(RemovalRow.id == removal_id)
                .values(left=func.array_remove(RemovalRow.left, service))
                .returning(RemovalRow.user_id, RemovalRow.left)
                .execution_options(synchronize_session=False)
            ).one_or_none()
            if left is not None and not left[1]:
                self.session.execute(delete(UserRow).where(UserRow.id == left.user_id))

    def tell_again(self, now: datetime) -> int:
        """Tell once more of removals that are not finished; return how many they are.

        The word may be lost with the stream's disk, or have become a dead letter.
        """
        with self.session.begin():
            late = self.session.scalars(
                update(RemovalRow)
                .where(RemovalRow.told_at <= now - domain.TELL_AGAIN_AFTER)
                .values(told_at=now)
                .returning(RemovalRow.id)
                .execution_options(synchronize_session=False)
            ).all()
            for removal_id in late:
                self._tell(removal_id)
            return len(late)

    def _tell(self, removal_id: uuid.UUID) -> None:
        self.dispatch(domain.USER_REMOVED, str(removal_id), {})
