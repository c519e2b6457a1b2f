"""Events out of the streams: CloudEvents 1.0 in JSON over NATS JetStream.

``nats_handler`` and ``nats_batch_handler`` are the entrypoints. A stream's events are handled in
order and by one replica at a time: the consumer lets only one message be unacknowledged, so the
others stand by, and one of them goes on when the first is killed, after ``_ACK_WAIT_SECONDS``.

Who holds that one message may read on in the stream and handle what follows with it, as one batch.
Those messages are still delivered, each after the one before, and acknowledged at sight.
"""

import logging
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import eventlet
from eventlet.event import Event as Done
from nameko.extensions import Entrypoint

from chassis import backoff, nats, streams
from chassis.errors import InvalidInput, ServiceError, Unavailable
from chassis.events import letters
from chassis.events.cloudevents import Event
from chassis.events.consumption import Consumption
from chassis.outage import Outage
from chassis.streams import deliveries, reads
from chassis.telemetry import current

log = logging.getLogger(__name__)

_ACK_WAIT_SECONDS = 2.5
_IN_PROGRESS_SECONDS = 0.8
_RETRY_SECONDS = (0.25, 2.0)
_PATIENCE_TRIES = 3  # what a restart of NATS may cost
_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_MAX_TRIES = 5  # of an event that fails for a reason of its own
_MAX_DELIVERIES = 20  # of an event that takes its handler's process down
_BATCH_EVENTS = 200
_READ_SECONDS = 1.0

__all__ = ["Event", "NatsHandler", "Received", "nats_batch_handler", "nats_handler"]


class Received(NamedTuple):
    """An event, and its sequence in the stream."""

    event: Event
    sequence: int


class NatsHandler(Entrypoint):
    """Call the method with ``(event, sequence)`` for each event of a stream.

    The method's return acknowledges the event. Unavailable is waited out for as long as it
    takes; InvalidInput sends the event to the dead letters at once, and any other error does so
    after some tries. So a handler may see an event again and must be idempotent.
    """

    span_kind = "consumer"
    most = 1  # events at a time

    def __init__(self, stream: str, durable: str, **kwargs: Any) -> None:
        self.stream = stream
        self.durable = durable
        self._handled = 0  # the sequence up to which this consumption has handled everything
        self._alone = 0  # the sequence up to which events are handled one by one
        self._stopping = False
        self._idle: Any = None
        self._pull: deliveries.Pull | None = None
        self._failures = 0
        self._trouble = Outage(f"the stream {stream}")
        super().__init__(expected_exceptions=ServiceError, **kwargs)

    def setup(self) -> None:
        """Check the configuration."""
        streams.check_configuration()
        service = self.container.service_name
        self.consumption = Consumption(service, self.stream, self.durable)

    def start(self) -> None:
        """Begin to consume, as soon as NATS is there."""
        self._idle = Done()
        self.container.spawn_managed_thread(self._run, identifier=f"consume {self.stream}")

    def measure(self) -> None:
        """Ask the server how far behind we are."""
        self.consumption.measure()

    def stop(self) -> None:
        """Finish the event in hand, and take no other."""
        self._stopping = True
        if self._pull is not None:
            self._pull.wake()
        if self._idle is not None:
            self._idle.wait()
        super().stop()

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._consume()
                except (Unavailable, deliveries.PullEnded) as error:
                    self._rest(error)
        finally:
            self._idle.send(None)

    def _consume(self) -> None:
        """Handle messages until told to stop; raise Unavailable or PullEnded."""
        streams.ensure_consumer(self.stream, self.durable, _ACK_WAIT_SECONDS, timeout=2)
        self._failures = 0
        self._trouble.end()
        pull = self._pull = deliveries.Pull(self.stream, self.durable)
        self._handled = self._alone = 0  # the stream may be another one
        try:
            while not self._stopping:
                message = pull.next()
                if message is not None:
                    self._take(message)
        finally:
            self._pull = None
            pull.close()

    def _rest(self, error: Exception) -> None:
        """Wait before the next try; complain where NATS is there, and yet there is no stream."""
        log.debug("consuming %s begins anew: %s", self.stream, error)
        self._failures += 1
        if self._failures > _PATIENCE_TRIES and nats.streams().connected:
            self._trouble.begin(str(error.__cause__ or error))
        eventlet.sleep(backoff.seconds(self._failures, *_RETRY_SECONDS))

    def _take(self, message: Any) -> None:
        place = deliveries.place(message)
        if place.sequence <= self._handled:
            deliveries.acknowledge(message, b"+ACK")
            return
        progress = eventlet.spawn_after(_IN_PROGRESS_SECONDS, self._keep_alive, message)
        try:
            self._handle(message, place)
        finally:
            progress.kill()

    def _handle(self, message: Any, place: deliveries.Place) -> None:
        try:
            first = Received(Event.decode(message.data), place.sequence)
        except InvalidInput as error:
            self._bury(message, error)
            return
        if place.deliveries > _MAX_DELIVERIES:
            self._bury(message, RuntimeError("its handler does not survive it"))
            return
        if place.deliveries > 1:  # perhaps one of those that were handled with it was fatal
            self._alone = max(self._alone, place.sequence + self.most)
        self._until_done(message, [first, *self._following(place)])

    def _following(self, place: deliveries.Place) -> list[Received]:
        """Read on in the stream, up to what cannot be read."""
        most = min(self.most - 1, place.waiting)
        if most < 1 or place.sequence <= self._alone:
            return []
        found: list[Received] = []
        try:
            for one in reads.after(self.stream, place.sequence, most, _READ_SECONDS):
                found.append(Received(Event.decode(one.body), one.sequence))
        except (Unavailable, InvalidInput) as error:
            log.debug("a batch ends early: %s", error)
        return found

    def _until_done(self, message: Any, batch: list[Received]) -> None:
        tries = failures = 0
        while True:
            began = perf_counter()
            error = self._work(batch)
            self.consumption.tried(perf_counter() - began)
            if error is None:
                for event, _ in batch:
                    self.consumption.handled(event)
                self._handled = batch[-1].sequence
                deliveries.acknowledge(message, b"+ACK")
                return
            if self._stopping:
                deliveries.acknowledge(message, b"-NAK")
                return
            if len(batch) > 1 and not isinstance(error, Unavailable):  # whose fault is it?
                self._alone = batch[-1].sequence
                batch = batch[:1]
                continue
            failures += not isinstance(error, Unavailable)
            if isinstance(error, InvalidInput) or failures >= _MAX_TRIES:
                self._bury(message, error)
                return
            self.consumption.failed()
            eventlet.sleep(_BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)])
            tries += 1

    def _arguments(self, batch: Sequence[Received]) -> tuple[Any, ...]:
        return batch[0]

    def _work(self, batch: Sequence[Received]) -> Exception | None:
        done: Done = Done()
        context = {current.REQUEST_ID: batch[0].event.request_id}
        self.container.spawn_worker(
            self, self._arguments(batch), {}, context, partial(self._on_result, done)
        )
        return done.wait()

    def _on_result(self, done: Done, worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        done.send(exc_info[1] if exc_info else None)
        return result, exc_info

    def _keep_alive(self, message: Any) -> None:
        while True:
            deliveries.acknowledge(message, b"+WPI")
            eventlet.sleep(_IN_PROGRESS_SECONDS)

    def _bury(self, message: Any, error: Exception) -> None:
        """Move the message to the dead letters; wait until they have it."""
        sequence = deliveries.place(message).sequence
        log.error("event %d of %s is a dead letter: %s", sequence, self.stream, error)
        service, reason = self.container.service_name, letters.reason(error)
        letter = letters.DeadLetter(
            service, self.stream, self.durable, sequence, reason, message.data
        )
        while not self._stopping:
            try:
                letter.bury()
            except Unavailable:
                eventlet.sleep(_BACKOFF_SECONDS[-1])
                continue
            self.consumption.buried()
            deliveries.acknowledge(message, b"+TERM")
            return
        deliveries.acknowledge(message, b"-NAK")


class NatsBatchHandler(NatsHandler):
    """Call the method with a sequence of ``(event, sequence)``, which follow each other.

    There is one while nothing waits, and up to _BATCH_EVENTS where more do. An error of a batch,
    other than Unavailable, has its events handled one by one, as NatsHandler does.
    """

    most = _BATCH_EVENTS

    def _arguments(self, batch: Sequence[Received]) -> tuple[Any, ...]:
        return (batch,)


nats_handler = NatsHandler.decorator
nats_batch_handler = NatsBatchHandler.decorator
