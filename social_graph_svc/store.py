"""Follows in PostgreSQL, and the events of their changes."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.database.transactions import each_statement_alone
from chassis.outbox import Dispatch
from social_graph_svc import domain
from social_graph_svc.models import FollowRow, FollowVersionRow


class FollowStore:
    """Takes and returns domain values; each public method is one transaction."""

    def __init__(self, session: Session, dispatch: Dispatch) -> None:
        self.session = session
        self.dispatch = dispatch

    def add(self, follow: domain.Follow) -> None:
        """Keep a follow and tell of it; raise ``already_following``."""
        statement = (
            insert(FollowRow)
            .values(follower=follow.follower, followed=follow.followed)
            .on_conflict_do_nothing()
            .returning(FollowRow.follower)
        )
        with self.session.begin():
            if self.session.scalar(statement) is None:
                raise domain.already_following()
            self._tell(domain.FOLLOW_ADDED, follow)

    def remove(self, follow: domain.Follow) -> None:
        """Forget a follow and tell of it; raise ``not_following``."""
        statement = delete(FollowRow).where(*_is(follow)).returning(FollowRow.follower)
        with self.session.begin():
            if self.session.scalar(statement) is None:
                raise domain.not_following()
            self._tell(domain.FOLLOW_REMOVED, follow)

    def names(self, query: domain.Query) -> Sequence[str]:
        """Return the names that a query asks for, and one more if there is one."""
        with each_statement_alone(self.session):
            return self.session.scalars(select_names(query)).all()

    def _tell(self, event_type: str, follow: domain.Follow) -> None:
        """Record the event; from here on, other changes of this follower wait for our commit."""
        first = insert(FollowVersionRow).values(follower=follow.follower, version=1)
        version = self.session.scalar(
            first.on_conflict_do_update(
                index_elements=[FollowVersionRow.follower],
                set_={"version": FollowVersionRow.version + 1},
            ).returning(FollowVersionRow.version)
        )
        self.dispatch(
            event_type, follow.follower, {"followed": follow.followed, "version": version}
        )


def _is(follow: domain.Follow) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return FollowRow.follower == follow.follower, FollowRow.followed == follow.followed


def select_names(query: domain.Query) -> Select[str]:
    """Page by keyset: nothing is lost or repeated while rows come and go."""
    of: InstrumentedAttribute[str]
    name: InstrumentedAttribute[str]
    if query.side is domain.Side.FOLLOWERS:
        of, name = FollowRow.followed, FollowRow.follower
    else:
        of, name = FollowRow.follower, FollowRow.followed
    return (
        select(name)
        .where(of == query.username, name > query.after)
        .order_by(name)
        .limit(query.size + 1)
    )
