"""Follows and blocks in PostgreSQL, and the events of the follows' changes.

Whoever changes a person's follows takes their turn first, a row lock until the commit: so a follow
and a block at the same time are one after the other, and the later sees the earlier.
"""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.database import idempotency
from chassis.database.direct import Compiled, fetch
from chassis.database.transactions import each_statement_alone, transaction
from chassis.errors import ServiceError
from chassis.outbox import Dispatch
from social_graph_svc import domain
from social_graph_svc.forgetting import Forgetting
from social_graph_svc.models import BlockRow, FollowRow, FollowVersionRow, IdempotencyKey


class FollowStore(Forgetting):
    """Takes and returns domain values; each public method is one transaction."""

    def __init__(self, session: Session, dispatch: Dispatch) -> None:
        self.session = session
        self.dispatch = dispatch
        self.keys = idempotency.Keys(session, IdempotencyKey)

    def add(self, follow: domain.Follow) -> None:
        """Keep a follow and tell of it.

        Raise ``already_following``, ``user_blocked``, or ``no_such_user`` for who has blocked.
        """
        allowed = select(literal(follow.follower), literal(follow.followed)).where(
            ~exists().where(_between(follow.follower, follow.followed))
        )
        follows = insert(FollowRow).from_select(["follower", "followed"], allowed)
        statement = follows.on_conflict_do_nothing().returning(FollowRow.follower)
        with transaction(self.session):
            version = self._turn(follow.follower)
            if self.session.scalar(statement) is None:
                raise self._refusal(follow)
            self._tell(domain.FOLLOW_ADDED, follow, version)

    def remove(self, follow: domain.Follow) -> None:
        """Forget a follow and tell of it; raise ``not_following``."""
        statement = delete(FollowRow).where(_is(follow)).returning(FollowRow.follower)
        with self.session.begin():
            version = self._turn(follow.follower)
            if self.session.scalar(statement) is None:
                raise domain.not_following()
            self._tell(domain.FOLLOW_REMOVED, follow, version)

    def block(self, block: domain.Block) -> None:
        """Keep a block, and end what the two follow of each other; raise ``already_blocked``."""
        blocks = insert(BlockRow).values(blocker=block.blocker, blocked=block.blocked)
        blocks = blocks.on_conflict_do_nothing()
        both = domain.Follow(*block.pair), domain.Follow(*reversed(block.pair))
        with transaction(self.session):
            self._await_turns(block.blocker, block.blocked)
            if self.session.scalar(blocks.returning(BlockRow.blocker)) is None:
                raise domain.already_blocked()
            for follow in both:
                ended = delete(FollowRow).where(_is(follow)).returning(FollowRow.follower)
                if self.session.scalar(ended) is not None:
                    self._tell(domain.FOLLOW_REMOVED, follow, self._turn(follow.follower))

    def unblock(self, block: domain.Block) -> None:
        """Forget a block; nobody follows anybody for that. Raise ``not_blocked``."""
        with self.session.begin():
            statement = delete(BlockRow).where(_blocks(block.blocker, block.blocked))
            if self.session.scalar(statement.returning(BlockRow.blocker)) is None:
                raise domain.not_blocked()

    def names(self, query: domain.Query) -> Sequence[str]:
        """Return the names that a query asks for, and one more if there is one."""
        statement = _names(query.side, query.size + 1)
        values = statement.values(username=query.username, after=query.after)
        return [row[0] for row in fetch(self.session, statement.sql, values)]

    def relation(self, viewer: str, username: str) -> domain.Relation:
        """Return what somebody who looks has to do with a person."""
        with each_statement_alone(self.session):
            return domain.Relation(*self.session.execute(_relation(viewer, username)).one())

    def profile(self, viewer: str, username: str) -> domain.Profile:
        """Return a person as somebody finds them."""
        statement = _relation(viewer, username).add_columns(
            *(
                select(func.count()).where(column == username).scalar_subquery()
                for column in (FollowRow.followed, FollowRow.follower)
            )
        )
        with each_statement_alone(self.session):
            *relation, followers, following = self.session.execute(statement).one()
        return domain.Profile(domain.Relation(*relation), followers, following)

    def _turn(self, follower: str) -> int:
        """Return the number of the change; others of this follower wait for our commit."""
        first = insert(FollowVersionRow).values(follower=follower, version=1)
        return self.session.execute(
            first.on_conflict_do_update(
                index_elements=[FollowVersionRow.follower],
                set_={"version": FollowVersionRow.version + 1},
            ).returning(FollowVersionRow.version)
        ).scalar_one()

    def _await_turns(self, *people: str) -> None:
        """Wait for the changes of these people, each in the same order; others then wait for us."""
        rows = [{"follower": name, "version": 0} for name in sorted(people)]
        self.session.execute(
            insert(FollowVersionRow)
            .values(rows)
            .on_conflict_do_update(
                index_elements=[FollowVersionRow.follower],
                set_={"version": FollowVersionRow.version},
            )
        )

    def _refusal(self, follow: domain.Follow) -> ServiceError:
        relation = self.session.execute(_relation(follow.follower, follow.followed)).one()
        if relation.is_blocked:
            return domain.no_such_user()
        return domain.user_blocked() if relation.blocks else domain.already_following()

    def _tell(self, event_type: str, follow: domain.Follow, version: int) -> None:
        self.dispatch(
            event_type, follow.follower, {"followed": follow.followed, "version": version}
        )


def _is(follow: domain.Follow) -> ColumnElement[bool]:
    return _follows(follow.follower, follow.followed)


def _follows(follower: str, followed: str) -> ColumnElement[bool]:
    return (FollowRow.follower == follower) & (FollowRow.followed == followed)


def _blocks(blocker: str, blocked: str) -> ColumnElement[bool]:
    return (BlockRow.blocker == blocker) & (BlockRow.blocked == blocked)


def _between(one: str, other: str) -> ColumnElement[bool]:
    return or_(_blocks(one, other), _blocks(other, one))


def _relation(viewer: str, username: str) -> Select[bool, bool, bool]:
    return select(
        exists().where(_follows(viewer, username)).label("follows"),
        exists().where(_blocks(viewer, username)).label("blocks"),
        exists().where(_blocks(username, viewer)).label("is_blocked"),
    )


def select_names(side: domain.Side, limit: int) -> Select[str]:
    """Page by keyset: nothing is lost or repeated while rows come and go.

    The limit is part of the text: the plan of a prepared statement must know that it is small.
    """
    of: InstrumentedAttribute[str]
    name: InstrumentedAttribute[str]
    match side:
        case domain.Side.FOLLOWERS:
            of, name = FollowRow.followed, FollowRow.follower
        case domain.Side.FOLLOWING:
            of, name = FollowRow.follower, FollowRow.followed
        case domain.Side.BLOCKED:
            of, name = BlockRow.blocker, BlockRow.blocked
    return (
        select(name)
        .where(of == bindparam("username"), name > bindparam("after"))
        .order_by(name)
        .limit(literal_column(str(limit)))
    )


@lru_cache(maxsize=64)
def _names(side: domain.Side, limit: int) -> Compiled:
    return Compiled(f"get_{side.value}", select_names(side, limit))
