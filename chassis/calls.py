"""The calls of this process to one peer: bounded in number, counted and timed."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from chassis import config
from chassis.bulkhead import Bulkhead
from chassis.telemetry import current, metrics, tracing
from chassis.telemetry.workers import outcome

_CALLS = metrics.counter(
    "rpc_calls",
    "Calls to other services, over RPC and gRPC, by outcome: ok, or a kind of error.",
    "target",
    "method",
    "outcome",
)
_SECONDS = metrics.histogram(
    "rpc_call_seconds", "How long calls to other services took.", "target", "method"
)
_IN_FLIGHT = metrics.gauge(
    "rpc_calls_in_flight", "Calls to other services that are under way.", "target"
)


class PeerCalls:
    """Calls of ``service`` to ``target``, of which so many may be under way."""

    def __init__(self, service: str, target: str, places: int) -> None:
        self._service = service
        self._target = target
        self._bulkhead = Bulkhead(target, places, _longest_line(places))
        self._tracer = tracing.tracer(service)
        self._in_flight = _IN_FLIGHT.labels(service, target)

    @contextmanager
    def begin(self, method: str, seconds: float) -> Iterator[dict[str, str]]:
        """Make a call in the block, which must end in ``seconds``; raise Unavailable if busy.

        Returns what the context data of the call must say beside the worker's own.
        """
        began = perf_counter()
        name = f"{self._target}.{method}"
        span = self._tracer.begin(name, "client", tracing.parent(), current.request_id())
        end = "ok"
        try:
            with self._bulkhead.place(seconds), self._in_flight.track_inprogress():
                yield {tracing.TRACEPARENT: span.traceparent} if span.traceparent else {}
        except BaseException as error:
            end = outcome(error)
            raise
        finally:
            span.end(end)
            metrics.series(_CALLS, self._service, self._target, method, end).inc()
            metrics.series(_SECONDS, self._service, self._target, method).observe(
                perf_counter() - began
            )


def _longest_line(places: int) -> float:
    """Return how many may wait for a place: a quarter of the workers must be left for others."""
    if config.optional("max_workers") is None:
        return math.inf
    return max(0, 3 * config.positive_integer("max_workers") // 4 - places)
