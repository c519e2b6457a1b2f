"""The rows of the outbox as the relay sees them: taken under a lease, deleted when published.

The lease is a row that expires, so that of all replicas one publishes at a time. Nothing is
locked and no transaction is open in between: a slow broker holds nothing up in the database, and
a pooler such as PgBouncer may stand before it.
"""

import uuid
from collections.abc import Sequence, Set
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Engine,
    Select,
    Table,
    Text,
    all_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.database.direct import Compiled, Row, fetch_alone

LEASE_SECONDS = 3.0
BATCH_ROWS = 500
BACKLOG_ROWS = 100_000  # more need not be counted


class OutboxRows:
    """One table of events, and this process's claim to publish them."""

    def __init__(self, engine: Engine, events: Table, leases: Table, name: str) -> None:
        self._engine = engine
        self._events = events
        self._leases = leases
        self._name = name
        self._holder = uuid.uuid4().hex
        self._claim = Compiled("outbox_take", self._claim_statement())
        self._finish = Compiled("outbox_finish", self._finish_statement())
        self._backlog = self._backlog_statement()

    def take(self, skipped: Set[str]) -> Sequence[Row]:
        """Take or keep the lease and return the oldest rows; none where another has the lease.

        Leaves out the rows of the subjects to be skipped.
        """
        values = self._claim.values(skipped=sorted(skipped))
        return fetch_alone(self._engine, self._claim.sql, values)

    def finish(self, published: list[int], release: bool) -> bool:
        """Delete what is published; give the lease back, or keep it for the next rows.

        Return whether there are more. Who comes with a row after that finds the lease free; or has
        found it taken before, and then the row is one of these.
        """
        values = self._finish.values(published=published, release=release)
        ((more,),) = fetch_alone(self._engine, self._finish.sql, values)
        return bool(more)

    def backlog(self) -> tuple[int, float]:
        """Return how many rows there are, BACKLOG_ROWS at most, and the oldest one's age."""
        with self._engine.connect() as connection:
            count, seconds = connection.execute(self._backlog).one()
        return count, max(0.0, float(seconds or 0))

    def _backlog_statement(self) -> Select[Any]:
        some = select(self._events.c.id).limit(BACKLOG_ROWS).subquery()
        # Of the lowest id: it was written first, or almost, and there is an index to find it.
        oldest = select(self._events.c.time).order_by(self._events.c.id).limit(1).scalar_subquery()
        age = func.extract("epoch", func.clock_timestamp() - oldest)
        return select(select(func.count()).select_from(some).scalar_subquery(), age)

    def _finish_statement(self) -> Select[Any]:
        events, leases = self._events.c, self._leases.c
        ids = bindparam("published", type_=ARRAY(BigInteger))
        deletion = delete(self._events).where(events.id == any_(ids)).cte("published")
        giving_back = (
            update(self._leases)
            .where(leases.name == self._name, leases.holder == self._holder)
            .where(bindparam("release", type_=Boolean))
            .values(expires_at=func.clock_timestamp())
            .cte("given_back")
        )
        more = exists(select(events.id).where(events.id != all_(ids)))
        return select(more).add_cte(deletion, giving_back)

    def _claim_statement(self) -> Select[Any]:
        events, leases = self._events.c, self._leases.c
        expiry = func.clock_timestamp() + literal(timedelta(seconds=LEASE_SECONDS))
        # With nothing to publish this writes nothing.
        wanted = select(literal(self._name), literal(self._holder), expiry).where(
            exists(select(events.id))
        )
        taking = insert(self._leases).from_select(["name", "holder", "expires_at"], wanted)
        lease = (
            taking.on_conflict_do_update(
                index_elements=[leases.name],
                set_={"holder": taking.excluded.holder, "expires_at": taking.excluded.expires_at},
                where=or_(
                    leases.holder == self._holder, leases.expires_at <= func.clock_timestamp()
                ),
            )
            .returning(leases.name)
            .cte("lease")
        )
        skipped = bindparam("skipped", type_=ARRAY(Text))
        return (
            select(self._events)
            .join(lease, true())
            .where(events.subject != all_(skipped))
            .order_by(events.id)
            .limit(BATCH_ROWS)
        )
