"""How a consumer of a stream gets on, in numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chassis.events.cloudevents import Event
from chassis.streams import reads
from chassis.telemetry import metrics
from chassis.telemetry.measurements import MEASURE_SECONDS, Measurement

_LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_LABELS = ("stream", "durable")

_HANDLED = metrics.counter(
    "events_handled",
    "Tries to handle an event: ok, retried (it failed and is tried again), or dead (given up).",
    *_LABELS,
    "outcome",
)
_SECONDS = metrics.histogram("event_seconds", "How long tries to handle an event took.", *_LABELS)
_LAG = metrics.histogram(
    "event_lag_seconds",
    "From what an event tells of to its being handled.",
    *_LABELS,
    buckets=_LAGS,
)
_DEAD = metrics.counter("dead_letters", "Events that could not be handled.", *_LABELS)
_PENDING = metrics.Watched(
    "consumer_pending", "Events of the stream that the consumer has not been given yet.", *_LABELS
)
_ACK_PENDING = metrics.Watched(
    "consumer_ack_pending", "Events that the consumer was given and has not finished.", *_LABELS
)
_REDELIVERED = metrics.Watched(
    "consumer_redelivered", "Events in hand that the consumer was given more than once.", *_LABELS
)


class Consumption:
    """One durable consumer, as far as this process is concerned."""

    def __init__(self, service: str, stream: str, durable: str) -> None:
        self.service, self.stream, self.durable = service, stream, durable
        labels = (service, stream, durable)
        self._ok, self._retried, self._given_up = (
            _HANDLED.labels(*labels, outcome) for outcome in ("ok", "retried", "dead")
        )
        self._seconds, self._lag = _SECONDS.labels(*labels), _LAG.labels(*labels)
        self._dead = _DEAD.labels(*labels)
        self._measured = [Measurement() for _ in range(3)]
        for number, measured in zip(
            (_PENDING, _ACK_PENDING, _REDELIVERED), self._measured, strict=True
        ):
            number.watch(*labels, read=measured.read)

    def tried(self, seconds: float) -> None:
        """Note how long a try took, whatever came of it."""
        self._seconds.observe(seconds)

    def handled(self, events: Sequence[Event]) -> None:
        """Count events that are handled."""
        self._ok.inc(len(events))
        now = datetime.now(UTC)
        for event in events:
            # The time is the database's, and clocks differ a little.
            self._lag.observe(max(0.0, (now - event.time).total_seconds()))

    def failed(self) -> None:
        """Count a try that is followed by another."""
        self._retried.inc()

    def buried(self) -> None:
        """Count an event that is given up."""
        self._given_up.inc()
        self._dead.inc()

    def measure(self) -> None:
        """Ask the server how far behind the consumer is; raise Unavailable."""
        backlog = reads.backlog(self.stream, self.durable, MEASURE_SECONDS)
        for measured, value in zip(self._measured, backlog, strict=True):
            measured.take(value)
