"""The transactional outbox: an event is a row, written in the transaction of the fact it tells of.

What is not published yet is in the table; the relay publishes the rows and then deletes them. So an
event is lost only if its fact is, and no broker that is away ever turns a finished change into an
error.

A service with a store gives ``Store(…, events=EventDispatcher(stream, OutboxEvent, OutboxLease))``
and its store is handed ``dispatch(event_type, subject, data)``, which reads like nameko's own.
"""

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from nameko.extensions import Extension
from sqlalchemy import (
    BigInteger,
    DateTime,
    Engine,
    Identity,
    Insert,
    Table,
    Text,
    event,
    func,
    insert,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis import failpoints, nats, streams
from chassis.events.cloudevents import REQUEST_ID
from chassis.outbox.publishing import Publishing
from chassis.outbox.relay import Relay
from chassis.outbox.rows import OutboxRows
from chassis.telemetry import current, metrics
from chassis.telemetry.measurements import Measurement

# A subject becomes one word of a NATS subject. In another it could never be published.
_SUBJECT = re.compile(r"[A-Za-z0-9_-]+")
_WATCHED = "chassis.outbox"

_EVENTS = metrics.Watched(
    "outbox_events", "Events that are not published yet; 100000 are that many or more.", "stream"
)
_OLDEST = metrics.Watched(
    "outbox_oldest_seconds", "Age of the oldest event that is not published yet.", "stream"
)


class OutboxMixin:
    """The columns of the table of events that are not published yet."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    type: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp()
    )
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)


class OutboxLeaseMixin:
    """The columns of the table that says which replica's relay publishes, and until when."""

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class EventDispatcher(Extension):
    """Record events with the facts they tell of, and publish them to a stream.

    The store's provider sets ``engine`` in its ``setup`` and asks for one ``dispatch`` for each
    session.
    """

    engine: Engine

    def __init__(
        self, stream: str, event_table: type[OutboxMixin], lease_table: type[OutboxLeaseMixin]
    ) -> None:
        self.stream = stream
        self.events = _table(event_table)
        self.leases = _table(lease_table)
        self._insert = insert(self.events).inline()
        self._relay: Relay | None = None
        self._depth, self._age = Measurement(), Measurement()

    def setup(self) -> None:
        """Check the configuration, and offer the numbers of the outbox."""
        streams.check_configuration()
        service = self.container.service_name
        _EVENTS.watch(service, self.stream, read=self._depth.read)
        _OLDEST.watch(service, self.stream, read=self._age.read)

    def start(self) -> None:
        """Begin to publish what is in the table, now and after each commit."""
        self._rows = OutboxRows(self.engine, self.events, self.leases, self.stream)
        source = f"/{self.container.service_name}"
        self._relay = Relay(self._rows, Publishing(self.stream, source))
        nats.streams().watch(self._relay.try_again)
        self.container.spawn_managed_thread(self._relay.run, identifier=f"relay {self.stream}")

    def measure(self) -> None:
        """Ask the database how much waits to be published."""
        depth, age = self._rows.backlog()
        self._depth.take(depth)
        self._age.take(age)

    def stop(self) -> None:
        """Publish what the last workers left, for a second at most; the rest keeps."""
        if self._relay is not None:
            nats.streams().unwatch(self._relay.try_again)
            self._relay.stop()
        self.engine.dispose()

    def dispatch_for(self, session: Session) -> "Dispatch":
        """Return the function with which this session's transaction records events."""

        return Dispatch(session, self._insert, self._wake)

    def _wake(self, session: Session) -> None:
        if session.in_nested_transaction():  # SQLAlchemy tells of each savepoint's end, too
            return
        failpoints.reach("outbox-committed")
        if self._relay is not None:
            self._relay.wake()


class Dispatch:
    """Add events to the transaction that is open, or is begun next.

    The events of one subject are published in the order of their rows' ids. Who needs that to be
    the order of the commits takes a lock of the subject's own first, in the same transaction.
    """

    def __init__(
        self, session: Session, insertion: Insert, committed: Callable[[Session], None]
    ) -> None:
        self._session = session
        self._insertion = insertion
        self._committed = committed

    def __call__(self, event_type: str, subject: str, data: dict[str, Any]) -> None:
        """Add an event; raise ValueError for a subject that cannot be published."""
        if not _SUBJECT.fullmatch(subject):
            raise ValueError(f"{subject!r} cannot be the subject of an event")
        row = {
            "event_id": uuid.uuid4(),
            "type": event_type,
            "subject": subject,
            "data": {**data, **self.inline()},
        }
        self._session.execute(self._insertion, row)

    def inline(self) -> dict[str, Any]:
        """Let a statement of the store's own add events, and save a round trip.

        It inserts ``event_id, type, subject, data`` into the table. Return what each ``data`` must
        hold besides; the relay takes it out again.
        """
        if _WATCHED not in self._session.info:
            self._session.info[_WATCHED] = True
            event.listen(self._session, "after_commit", self._committed)
        request_id = current.request_id()
        return {REQUEST_ID: request_id} if request_id else {}


def _table(model: type[OutboxMixin] | type[OutboxLeaseMixin]) -> Table:
    return model.__table__  # type: ignore[union-attr]  # a mixin has none, what is mapped has
