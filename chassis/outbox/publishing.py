"""Publishing some rows of the outbox: all together where there are many, or one by one.

- An event is published only after the one before it of the same subject was acknowledged, or
  together with it. Subjects do not wait for each other.
- A publish that failed may have been stored. It is repeated with the same message id, which the
  stream drops if it has it; readers drop what they have seen after the stream has forgotten.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import eventlet
from sqlalchemy import Row

from chassis import streams
from chassis.events.cloudevents import REQUEST_ID, Event
from chassis.streams import together
from chassis.streams.together import Message
from chassis.telemetry import metrics

# (stream, subject, body, message id, seconds) -> sequence; raises Unavailable
Publish = Callable[[str, str, bytes, str, float], int]
# (stream, messages, seconds) -> whether all are stored
Together = Callable[[str, Sequence[Message], float], bool]

SUBJECTS_AT_ONCE = 64
PUBLISH_SECONDS = 1.0
_TOGETHER_ROWS = 8  # the disk is asked for fewer things than for eight single messages

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


class Publishing:
    """The way of one table's events to one stream."""

    def __init__(
        self,
        stream: str,
        source: str,
        publish: Publish = streams.publish,
        publish_together: Together = together.publish,
    ) -> None:
        self._stream = stream
        self._source = source
        self._publish = publish
        self._together = publish_together
        service = source.strip("/")
        self._published = _PUBLISHED.labels(service, stream)
        self._failures = _FAILURES.labels(service, stream)
        self.last_moment = float("inf")

    def publish(self, rows: Sequence[Row[Any]], end: float) -> Batch:
        """Publish rows, until an end on the monotonic clock."""
        batch = Batch(end)
        if len(rows) < _TOGETHER_ROWS or not self._all_together(rows, batch):
            self._one_by_one(rows, batch)
        return batch

    def _all_together(self, rows: Sequence[Row[Any]], batch: Batch) -> bool:
        try:
            messages = [self._message(row) for row in rows]
            stored = self._together(self._stream, messages, self._seconds(batch))
        except Exception as error:  # whichever of them it is shows when they go one by one
            log.debug("events are not published together: %s", error)
            return False
        if stored:
            batch.acknowledged += [row.id for row in rows]
            self._published.inc(len(rows))
        return stored

    def _one_by_one(self, rows: Sequence[Row[Any]], batch: Batch) -> None:
        """Publish each subject's rows one after the other, and the subjects side by side."""
        queues: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            queues[row.subject].append(row)
        if len(queues) == 1:
            self._publish_queue(list(rows), batch)
            return
        pool = eventlet.GreenPool(SUBJECTS_AT_ONCE)
        for queue in queues.values():
            pool.spawn_n(self._publish_queue, queue, batch)
        pool.waitall()

    def _publish_queue(self, queue: list[Row[Any]], batch: Batch) -> None:
        for row in queue:
            seconds = self._seconds(batch)
            if seconds <= 0 or batch.hopeless:
                return
            try:
                self._publish(self._stream, *self._message(row), seconds)
            except Exception as error:  # an error here must reach turn(), not eventlet's pool
                batch.failed[row.subject] = error
                self._failures.inc()
                return
            batch.acknowledged.append(row.id)
            self._published.inc()

    def _seconds(self, batch: Batch) -> float:
        return min(PUBLISH_SECONDS, min(batch.end, self.last_moment) - time.monotonic())

    def _message(self, row: Row[Any]) -> Message:
        data = dict(row.data)
        event = Event(
            id=str(row.event_id),
            source=self._source,
            type=row.type,
            subject=row.subject,
            time=row.time.astimezone(UTC),
            request_id=data.pop(REQUEST_ID, ""),
            data=data,
        )
        return Message(f"{self._stream}.{row.subject}", event.encode(), event.id)
