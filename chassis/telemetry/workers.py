"""What a service says of its workers: numbers for each entrypoint, and a log line for a crash."""

import logging
from importlib import metadata
from time import perf_counter
from types import TracebackType
from typing import Any

import eventlet
from eventlet.debug import hub_exceptions
from greenlet import GreenletExit
from nameko.extensions import DependencyProvider
from prometheus_client.core import CounterMetricFamily
from werkzeug.exceptions import HTTPException

from chassis import nats
from chassis.errors import ServiceError
from chassis.telemetry import current, metrics, tracing

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_log = logging.getLogger(__name__)

_RESULTS = metrics.counter(
    "worker_results",
    "Finished workers by entrypoint and outcome: ok, a kind of error, refused, late, or crash.",
    "entrypoint",
    "outcome",
)
_SECONDS = metrics.histogram("worker_seconds", "How long workers took.", "entrypoint")
_WORKERS = metrics.Watched("workers", "Workers that run now.")
_WORKERS_MAX = metrics.gauge("workers_max", "Workers that may run at a time.")
_BUILD = metrics.gauge("build_info", "The version that runs; always 1.", "version")
_NATS = metrics.Watched("nats_connected", "Whether every connection to NATS is there: 1 or 0.")
_RECONNECTS = metrics.Watched(
    "nats_reconnects",
    "How often a lost connection to NATS was made again.",
    family=CounterMetricFamily,
)


def outcome(exc: BaseException | None) -> str:
    """Return the word that counts an end: ok, a kind of error, refused, interrupted, or crash."""
    if exc is None:
        return "ok"
    if isinstance(exc, ServiceError):
        return type(exc).__name__
    if isinstance(exc, HTTPException):
        return "refused"
    if isinstance(exc, GreenletExit | eventlet.Timeout):
        return "interrupted"
    return "crash"


def count_late(service: str, entrypoint: str) -> None:
    """Count a worker that waited so long that it did not even begin."""
    metrics.series(_RESULTS, service, entrypoint, "late").inc()


class Telemetry(DependencyProvider):
    """Count and time each worker, and log the ones that crash."""

    def bind(self, container: Any, attr_name: str) -> Any:
        """Keep eventlet from printing tracebacks, which would go past formatter and redaction.

        Done here because it is before ``setup()``: a bad configuration then is one line.
        """
        hub_exceptions(False)
        return super().bind(container, attr_name)

    def setup(self) -> None:
        """Offer the numbers of the process."""
        self.service = self.container.service_name
        self.tracer = tracing.tracer(self.service)
        pool = self.container._worker_pool
        _WORKERS.watch(self.service, read=pool.running)
        _WORKERS_MAX.labels(self.service).set(pool.size)
        _BUILD.labels(self.service, metadata.version("delinkcious")).set(1)
        _NATS.watch(self.service, read=nats.connected)
        _RECONNECTS.watch(self.service, read=nats.reconnections)

    def worker_setup(self, worker_ctx: Any) -> None:
        """Start the clock, and the worker's span."""
        data, entrypoint = worker_ctx.data, worker_ctx.entrypoint
        span = self.tracer.begin(
            f"{self.service}.{entrypoint.method_name}",
            getattr(entrypoint, "span_kind", "server"),
            _text(data.get(tracing.TRACEPARENT)),
            _text(data.get(current.REQUEST_ID)),
        )
        tracing.enter(span)
        worker_ctx.telemetry = perf_counter(), span

    def worker_result(
        self, worker_ctx: Any, result: Any = None, exc_info: ExcInfo | None = None
    ) -> None:
        """Count the outcome; log a crash with its traceback."""
        entrypoint = worker_ctx.entrypoint.method_name
        end = outcome(exc_info and exc_info[1])
        metrics.series(_RESULTS, self.service, entrypoint, end).inc()
        began, span = worker_ctx.telemetry
        worker_ctx.telemetry = None
        span.end(end)
        seconds = perf_counter() - began
        metrics.series(_SECONDS, self.service, entrypoint).observe(seconds)
        if end == "crash":
            _log.error("worker crashed", exc_info=exc_info)
        else:
            _log.debug("worker finished: %s after %.1f ms", end, 1000 * seconds)

    def stop(self) -> None:
        """Send the last spans."""
        self.tracer.stop()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
