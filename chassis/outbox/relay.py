"""The relay: what the outbox holds goes to the stream, in each subject's order, and is deleted.

- One replica publishes at a time; which, see ``rows``.
- What is not yet published is what is in the table. To go on from the last id would lose the
  rows whose transaction got a lower id and committed later.

How rows are published, see ``publishing``.
"""

import logging
import time
from collections import Counter

import eventlet
from eventlet.event import Event as Signal

from chassis import backoff, failpoints
from chassis.bell import Bell
from chassis.errors import ServiceError, Unavailable
from chassis.outbox.publishing import Batch, Publishing
from chassis.outbox.rows import BATCH_ROWS, LEASE_SECONDS, OutboxRows

# What a replica that died has left waits for its lease; of our own rows the bell tells.
IDLE_SECONDS = 3.0
STOP_SECONDS = 1.0
_RETRY_SECONDS = (0.1, 2.0)
# The lease ends by the database's clock, which we do not see; and a publish takes its time.
_MARGIN_SECONDS = 0.3
# While much is written, what comes meanwhile goes together: for us, for the disk of the stream, and
# for those who read it. After a rest nothing waits.
PACE_SECONDS = 0.03

log = logging.getLogger(__name__)


class Relay:
    """Publish one table of events to one stream."""

    def __init__(self, rows: OutboxRows, publishing: Publishing) -> None:
        self._rows = rows
        self._publishing = publishing
        self._retries = Retries()
        self._hogs: frozenset[str] = frozenset()
        self._troubled = False
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
                began = time.monotonic()
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
                    eventlet.sleep(max(0.0, began + PACE_SECONDS - time.monotonic()))
            self._last_turn()
        finally:
            self._done.send(None)

    def stop(self) -> None:
        """Publish what is there for a second at most, and let another replica go on."""
        self._publishing.last_moment = time.monotonic() + STOP_SECONDS
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
        batch = self._publishing.publish(rows, end)
        failpoints.reach("relay-published")
        more = self._rows.finish(batch.acknowledged, release=batch.hopeless or not full)
        # A subject that fills the table must not keep the others waiting: now it is their turn.
        counts = Counter(row.subject for row in rows)
        self._hogs = frozenset(s for s, n in counts.items() if full and 2 * n > BATCH_ROWS)
        self._learn(batch)
        if full or more or self._hogs:
            return 0.0
        return min(IDLE_SECONDS, self._retries.next())

    def _last_turn(self) -> None:
        try:
            while time.monotonic() < self._publishing.last_moment and not self.turn():
                pass
            self._rows.finish([], release=True)
        except Exception as error:
            self._complain(error)

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
