"""The relay: what the outbox holds goes to the stream, in each subject's order, and is deleted.

- One replica publishes at a time; which, see ``outbox_rows``.
- What is not yet published is what is in the table. To go on from the last id would lose the
  rows whose transaction got a lower id and committed later.
- An event is published only after the one before it of the same subject was acknowledged.
  Subjects do not wait for each other.
- A publish that failed may have been stored. It is repeated with the same message id, which the
  stream drops if it has it; readers drop what they have seen after the stream has forgotten.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import eventlet
from eventlet.event import Event as Signal
from sqlalchemy import Row

from chassis import backoff, failpoints, streams
from chassis.bell import Bell
from chassis.errors import ServiceError, Unavailable
from chassis.events.cloudevents import REQUEST_ID, Event
from chassis.outbox.rows import BATCH_ROWS, LEASE_SECONDS, OutboxRows
from chassis.telemetry import metrics

# (stream, subject, body, message id, seconds) -> sequence; raises Unavailable
Publish = Callable[[str, str, bytes, str, float], int]

SUBJECTS_AT_ONCE = 64
PUBLISH_SECONDS = 1.0
IDLE_SECONDS = 1.0
STOP_SECONDS = 1.0
_RETRY_SECONDS = (0.1, 2.0)
# The lease ends by the database's clock, which we do not see; and a publish takes its time.
_MARGIN_SECONDS = 0.3

log = logging.getLogger(__name__)

_PUBLISHED = metrics.counter(
    "events_published", "Events of the outbox that are published.", "stream"
)
_FAILURES = metrics.counter(
    "event_publish_failures", "Tries to publish an event that failed; each is repeated.", "stream"
)


@dataclass
class Batch:
    """What became of some rows: published, or not, and why."""

    end: float
    acknowledged: list[int] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)

    @property
    def hopeless(self) -> bool:
        """Whether everything has failed so far, so that there is no point in going on."""
        return bool(self.failed) and not self.acknowledged


class Relay:
    """Publish one table of events to one stream."""

    def __init__(
        self,
        rows: OutboxRows,
        stream: str,
        source: str,
        publish: Publish = streams.publish,
    ) -> None:
        self._rows = rows
        self._stream = stream
        self._source = source
        self._publish = publish
        service = source.strip("/")
        self._published = _PUBLISHED.labels(service, stream)
        self._failures = _FAILURES.labels(service, stream)
        self._retries = Retries()
        self._hogs: frozenset[str] = frozenset()
        self._troubled = False
        self._last_moment = float("inf")
        self._bell = Bell()  # rung when there are events
        self._back = Bell()  # rung when the stream may be there again
        self._stopped = False
        self._done: Signal | None = None

    def wake(self) -> None:
        """Say that there are events."""
        self._bell.ring()

    def try_again(self) -> None:
        """Say that NATS is back: what failed may try again at once."""
        self._retries = Retries()
        self._back.ring()
        self._bell.ring()

    def run(self) -> None:
        """Publish until stopped; no fault of the database or of the stream ends this."""
        self._done = Signal()
        failures = 0
        try:
            while not self._stopped:
                try:
                    rest = self.turn()
                except Exception as error:
                    self._complain(error)
                    failures += 1
                    self._back.wait(backoff.seconds(failures, *_RETRY_SECONDS))
                else:
                    failures = 0
                    if rest:
                        self._bell.wait(rest)
            self._last_turn()
        finally:
            self._done.send(None)

    def stop(self) -> None:
        """Publish what is there for a second at most, and let another replica go on."""
        self._last_moment = time.monotonic() + STOP_SECONDS
        self._stopped = True
        self._back.ring()
        self._bell.ring()
        if self._done is not None:
            self._done.wait(timeout=2 * STOP_SECONDS)

    def turn(self) -> float:
        """Publish one batch; return for how many seconds to rest.

        Raises what went wrong where nothing could be published at all.
        """
        end = time.monotonic() + LEASE_SECONDS - _MARGIN_SECONDS
        skipped = self._hogs | self._retries.resting()
        rows = self._rows.take(skipped)
        if not rows:
            rest = 0.0 if self._hogs else IDLE_SECONDS
            self._hogs = frozenset()
            return min(rest, self._retries.next())
        full = len(rows) == BATCH_ROWS
        batch = self._publish_all(rows, end)
        failpoints.reach("relay-published")
        self._rows.finish(batch.acknowledged, release=batch.hopeless or not full)
        # A subject that fills the table must not keep the others waiting: now it is their turn.
        counts = Counter(row.subject for row in rows)
        self._hogs = frozenset(s for s, n in counts.items() if full and 2 * n > BATCH_ROWS)
        self._learn(batch)
        return 0.0

    def _last_turn(self) -> None:
        try:
            while time.monotonic() < self._last_moment and not self.turn():
                pass
            self._rows.finish([], release=True)
        except Exception as error:
            self._complain(error)

    def _publish_all(self, rows: Sequence[Row[Any]], end: float) -> Batch:
        """Publish each subject's rows one after the other, and the subjects side by side."""
        queues: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            queues[row.subject].append(row)
        batch = Batch(end)
        pool = eventlet.GreenPool(SUBJECTS_AT_ONCE)
        for queue in queues.values():
            pool.spawn_n(self._publish_queue, queue, batch)
        pool.waitall()
        return batch

    def _publish_queue(self, queue: list[Row[Any]], batch: Batch) -> None:
        for row in queue:
            left = min(batch.end, self._last_moment) - time.monotonic()
            if left <= 0 or batch.hopeless:
                return
            subject = f"{self._stream}.{row.subject}"
            seconds = min(PUBLISH_SECONDS, left)
            try:
                body = self._encode(row)
                self._publish(self._stream, subject, body, str(row.event_id), seconds)
            except Exception as error:  # an error here must reach turn(), not eventlet's pool
                batch.failed[row.subject] = error
                self._failures.inc()
                return
            batch.acknowledged.append(row.id)
            self._published.inc()

    def _encode(self, row: Row[Any]) -> bytes:
        data = dict(row.data)
        return Event(
            id=str(row.event_id),
            source=self._source,
            type=row.type,
            subject=row.subject,
            time=row.time.astimezone(UTC),
            request_id=data.pop(REQUEST_ID, ""),
            data=data,
        ).encode()

    def _learn(self, batch: Batch) -> None:
        self._retries.note(batch)
        if batch.failed:
            error = next(iter(batch.failed.values()))
            if batch.hopeless:
                raise error
            self._complain(error)
        elif self._troubled:
            self._troubled = False
            log.info("events are published again")

    def _complain(self, error: Exception) -> None:
        """Log the beginning of an outage, not every try; of the database's it has been said."""
        said = isinstance(error, Unavailable) and error.code == "database_unavailable"
        if not self._troubled and not said:
            self._troubled = True
            unforeseen = not isinstance(error, ServiceError)
            log.warning("events wait in the outbox: %s", error, exc_info=unforeseen)


class Retries:
    """When the subjects that failed may try again."""

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def note(self, batch: Batch) -> None:
        """Let those that failed rest, each time for longer."""
        for subject in batch.failed:
            self._tries[subject] = self._tries.get(subject, 0) + 1
            self._until[subject] = time.monotonic() + backoff.seconds(
                self._tries[subject], *_RETRY_SECONDS
            )
        long_ago = time.monotonic() - _RETRY_SECONDS[1]
        for subject in [subject for subject, until in self._until.items() if until < long_ago]:
            del self._until[subject], self._tries[subject]

    def resting(self) -> frozenset[str]:
        """Return the subjects that may not try yet."""
        now = time.monotonic()
        return frozenset(subject for subject, until in self._until.items() if until > now)

    def next(self) -> float:
        """Return for how many seconds nobody's rest ends."""
        waits = (until - time.monotonic() for until in self._until.values())
        return min((wait for wait in waits if wait > 0), default=float("inf"))
