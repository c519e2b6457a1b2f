"""What comes of the calls to a gRPC server, in numbers."""

import time
from typing import TYPE_CHECKING

from grpc import StatusCode

from chassis.telemetry import metrics

if TYPE_CHECKING:
    from chassis.grpc.call import Call

_UNKNOWN = "unknown"  # the method of a call that leads nowhere
_NAMES = {str(status.value[0]): status.name for status in StatusCode}

_REQUESTS = metrics.counter(
    "grpc_requests", "gRPC calls that were answered or given up, by status code.", "method", "code"
)
_SECONDS = metrics.histogram(
    "grpc_request_seconds",
    "How long gRPC calls took, those that may last for ever left out.",
    "method",
)


def count(service: str, call: "Call") -> None:
    """Count a call that has ended; one without a status was given up by its client."""
    method = call.path.rpartition("/")[2] or _UNKNOWN
    status = call.trailers.get("grpc-status") if call.finished else None
    code = _NAMES.get(str(status), "UNKNOWN") if call.finished else "CANCELLED"
    metrics.series(_REQUESTS, service, method, code).inc()
    if call.deadline is not None:
        metrics.series(_SECONDS, service, method).observe(time.monotonic() - call.began)
