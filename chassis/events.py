"""Events in and out of the streams: CloudEvents 1.0 in JSON over NATS JetStream.

``nats_handler`` is the entrypoint. A stream's events are handled in order and one at a time, over
all replicas together: the consumer lets only one message be unacknowledged, so the other replicas
stand by, and one of them goes on when the first is killed, after ``_ACK_WAIT_SECONDS``.
"""

import logging
from functools import partial
from time import perf_counter
from typing import Any

import eventlet
from eventlet.event import Event as Done
from nameko.extensions import Entrypoint

from chassis import backoff, current, nats, streams
from chassis.cloudevents import Event
from chassis.consumption import Consumption
from chassis.errors import InvalidInput, ServiceError, Unavailable
from chassis.outage import Outage

log = logging.getLogger(__name__)

_ACK_WAIT_SECONDS = 2.5
_IN_PROGRESS_SECONDS = 0.8
_RETRY_SECONDS = (0.25, 2.0)
_PATIENCE_TRIES = 3  # what a restart of NATS may cost
_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_MAX_TRIES = 5  # of an event that fails for a reason of its own
_MAX_DELIVERIES = 20  # of an event that takes its handler's process down
DEAD_LETTERS = "dead-letters"

__all__ = ["Event", "NatsHandler", "nats_handler"]


class NatsHandler(Entrypoint):
    """Call the method with ``(event, sequence)`` for each event of a stream.

    The method's return acknowledges the event. Unavailable is waited out for as long as it
    takes; InvalidInput sends the event to the dead letters at once, and any other error does so
    after some tries. So a handler may see an event again and must be idempotent.
    """

    span_kind = "consumer"

    def __init__(self, stream: str, durable: str, **kwargs: Any) -> None:
        self.stream = stream
        self.durable = durable
        self._stopping = False
        self._idle: Any = None
        self._pull: streams.Pull | None = None
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
                except (Unavailable, streams.PullEnded) as error:
                    self._rest(error)
        finally:
            self._idle.send(None)

    def _consume(self) -> None:
        """Handle messages until told to stop; raise Unavailable or PullEnded."""
        streams.ensure_consumer(self.stream, self.durable, _ACK_WAIT_SECONDS, timeout=2)
        self._failures = 0
        self._trouble.end()
        pull = self._pull = streams.Pull(self.stream, self.durable)
        try:
            while not self._stopping:
                message = pull.next()
                if message is not None:
                    self._handle(message)
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

    def _handle(self, message: Any) -> None:
        progress = eventlet.spawn_after(_IN_PROGRESS_SECONDS, self._keep_alive, message)
        try:
            sequence, deliveries = position(message.reply)
            try:
                event = Event.decode(message.data)
            except InvalidInput as error:
                self._bury(message, error)
                return
            if deliveries > _MAX_DELIVERIES:
                self._bury(message, RuntimeError("its handler does not survive it"))
                return
            self._until_done(message, event, sequence)
        finally:
            progress.kill()

    def _until_done(self, message: Any, event: Event, sequence: int) -> None:
        tries = failures = 0
        while True:
            began = perf_counter()
            error = self._work(event, sequence)
            self.consumption.tried(perf_counter() - began)
            if error is None:
                self.consumption.handled(event)
                streams.acknowledge(message, b"+ACK")
                return
            if self._stopping:
                streams.acknowledge(message, b"-NAK")
                return
            failures += not isinstance(error, Unavailable)
            if isinstance(error, InvalidInput) or failures >= _MAX_TRIES:
                self._bury(message, error)
                return
            self.consumption.failed()
            eventlet.sleep(_BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)])
            tries += 1

    def _work(self, event: Event, sequence: int) -> Exception | None:
        done: Done = Done()
        context = {current.REQUEST_ID: event.request_id}
        self.container.spawn_worker(
            self, (event, sequence), {}, context, partial(self._on_result, done)
        )
        return done.wait()

    def _on_result(self, done: Done, worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        done.send(exc_info[1] if exc_info else None)
        return result, exc_info

    def _keep_alive(self, message: Any) -> None:
        while True:
            streams.acknowledge(message, b"+WPI")
            eventlet.sleep(_IN_PROGRESS_SECONDS)

    def _bury(self, message: Any, error: Exception) -> None:
        """Move the message to the dead letters; wait until they have it."""
        sequence, _ = position(message.reply)
        log.error("event %d of %s is a dead letter: %s", sequence, self.stream, error)
        subject = f"{DEAD_LETTERS}.{self.stream}.{self.durable}"
        while not self._stopping:
            try:
                message_id = f"{self.stream}-{self.durable}-{sequence}"
                streams.publish(DEAD_LETTERS, subject, message.data, message_id, timeout=2)
            except Unavailable:
                eventlet.sleep(_BACKOFF_SECONDS[-1])
                continue
            self.consumption.buried()
            streams.acknowledge(message, b"+TERM")
            return
        streams.acknowledge(message, b"-NAK")


nats_handler = NatsHandler.decorator


def position(reply: str) -> tuple[int, int]:
    """Return the stream sequence and the number of deliveries, from an acknowledgement's subject.

    ``$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>``, or
    with domain and account before the stream (NATS ADR-15).
    """
    tokens = reply.split(".")
    at = 4 if len(tokens) < 11 else 6
    return int(tokens[at + 1]), int(tokens[at])
