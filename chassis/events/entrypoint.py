"""The entrypoints: a method is called for each event of a stream, or for each batch of them."""

from functools import partial
from typing import Any

from eventlet.event import Event as Done
from nameko.extensions import Entrypoint

from chassis import streams
from chassis.errors import ServiceError
from chassis.events.batch import Batch
from chassis.events.consumer import Consumer
from chassis.events.consumption import Consumption
from chassis.telemetry import current

_BATCH_EVENTS = 200


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
        super().__init__(expected_exceptions=ServiceError, **kwargs)

    def setup(self) -> None:
        """Check the configuration."""
        streams.check_configuration()
        self.consumption = Consumption(self.container.service_name, self.stream, self.durable)
        self._consumer = Consumer(self.consumption, self._work, self.most)

    def start(self) -> None:
        """Begin to consume, as soon as NATS is there."""
        run = self._consumer.begin()
        self.container.spawn_managed_thread(run, identifier=f"consume {self.stream}")

    def measure(self) -> None:
        """Ask the server how far behind we are."""
        self.consumption.measure()

    def stop(self) -> None:
        """Finish the event in hand, and take no other."""
        self._consumer.stop()
        super().stop()

    def _arguments(self, batch: Batch) -> tuple[Any, ...]:
        return batch[0]

    def _work(self, batch: Batch) -> Exception | None:
        done: Done = Done()
        context = {current.REQUEST_ID: batch[0].event.request_id}
        self.container.spawn_worker(
            self, self._arguments(batch), {}, context, partial(self._on_result, done)
        )
        error: Exception | None = done.wait()
        return error

    def _on_result(self, done: Done, worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        done.send(exc_info[1] if exc_info else None)
        return result, exc_info


class NatsBatchHandler(NatsHandler):
    """Call the method with a sequence of ``(event, sequence)``, which follow each other.

    There is one while nothing waits, and up to _BATCH_EVENTS where more do. An error of a batch,
    other than Unavailable, has its events handled one by one, as NatsHandler does.
    """

    most = _BATCH_EVENTS

    def _arguments(self, batch: Batch) -> tuple[Any, ...]:
        return (batch,)


nats_handler = NatsHandler.decorator
nats_batch_handler = NatsBatchHandler.decorator
