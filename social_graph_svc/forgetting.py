"""Forgetting people who have left: their follows go, from both ends; followers are told."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from chassis.errors import Unavailable
from chassis.outbox import Dispatch
from social_graph_svc import domain
from social_graph_svc.models import (
    BlockRow,
    FollowRow,
    FollowVersionRow,
    ForgottenRow,
    IdempotencyKey,
    OutboxEvent,
)

_AT_ONCE = 500  # so that a transaction is far from its time limits


class Forgetting:
    """Forget people; each transaction may be repeated."""

    session: Session
    dispatch: Dispatch

    def forget(self, removal: uuid.UUID, username: str, settled: bool) -> None:
        """Delete all that names a person, and note that it is done.

        Their followers get an event each, so that their news are made anew without them. Raise
        Unavailable where it is to be done again: before it is ``settled``, or while events that
        are about them are on their way to the stream, from which they go after that.
        """
        while self._delete_some(removal, username):
            pass
        if not settled:
            raise Unavailable("requests_under_way", "Requests may still be under way.")
        with self.session.begin():
            done = insert(ForgottenRow).values(removal=removal).on_conflict_do_nothing()
            if self.session.scalar(done.returning(ForgottenRow.removal)) is None:
                return
            versions = delete(FollowVersionRow).where(FollowVersionRow.follower == username)
            self.session.execute(versions)
            either = or_(BlockRow.blocker == username, BlockRow.blocked == username)
            self.session.execute(delete(BlockRow).where(either))
            self.session.execute(delete(IdempotencyKey).where(IdempotencyKey.owner == username))
            if self.session.scalar(select(exists().where(_about(removal, username)))):
                raise Unavailable("events_under_way", "Events wait to be published.")

    def _delete_some(self, removal: uuid.UUID, username: str) -> bool:
        """Delete some follows, unless the removal is finished: the name may be another's then."""
        key = tuple_(FollowRow.follower, FollowRow.followed)
        finished = exists().where(ForgottenRow.removal == removal)
        some = (
            select(FollowRow.follower, FollowRow.followed)
            .where(or_(FollowRow.follower == username, FollowRow.followed == username), ~finished)
            .limit(_AT_ONCE)
        )
        with self.session.begin():
            deleted = self.session.execute(
                delete(FollowRow)
                .where(key.in_(some))
                .returning(FollowRow.follower)
                .execution_options(synchronize_session=False)
            ).all()
            self._tell_lapsed(removal, sorted(row.follower for row in deleted), username)
            return bool(deleted)

    def _tell_lapsed(self, removal: uuid.UUID, followers: Sequence[str], username: str) -> None:
        for follower in followers:
            if follower != username:
                self.dispatch(domain.FOLLOW_LAPSED, follower, {"removal": str(removal)})


def _about(removal: uuid.UUID, username: str) -> ColumnElement[bool]:
    """Match the events that are not published yet and came of a person, or of their removal."""
    data: Any = OutboxEvent.data
    return or_(
        OutboxEvent.subject == username,
        data["followed"].astext == username,
        data["removal"].astext == str(removal),
    )
