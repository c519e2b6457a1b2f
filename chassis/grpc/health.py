"""The standard health service, answered without a worker: a full pool is no illness."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import eventlet
from eventlet.semaphore import Semaphore
from google.protobuf.message import DecodeError
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from nameko_grpc.errors import GrpcError

from chassis.grpc.call import Call

if TYPE_CHECKING:
    from chassis.grpc.server import GrpcServer

log = logging.getLogger(__name__)

# How old an answer may be, and how often those who watch are told.
FRESH_SECONDS = 1.0
CHECK_SECONDS = 1.0


class Health:
    """``grpc.health.v1.Health``: SERVING while no extension's ``check()`` raises."""

    def __init__(self, server: "GrpcServer") -> None:
        self.server = server
        self._lock = Semaphore(1)
        self._fresh_until = 0.0
        self._ready = False

    def check(self, call: Call) -> None:
        """Answer once."""
        if not self._knows(_asked(call)):
            raise GrpcError(StatusCode.NOT_FOUND, "There is no such service.")
        call.answer(_answer(self._status()))
        call.finish()

    def watch(self, call: Call) -> None:
        """Answer now and at each change, until the caller leaves or the server stops."""
        known = self._knows(_asked(call))
        told = None
        while not self.server.stopping.ready():
            status = self._status() if known else HealthCheckResponse.SERVICE_UNKNOWN
            if status != told:
                call.answer(_answer(status))
                told = status
            self.server.stopping.wait(timeout=FRESH_SECONDS)
        call.answer(_answer(HealthCheckResponse.NOT_SERVING))
        raise GrpcError(StatusCode.UNAVAILABLE, "The server is stopping.")

    def _knows(self, service: str) -> bool:
        return service in {"", *(path.split("/")[1] for path in self.server.methods)}

    def _status(self) -> Any:
        if self.server.stopping.ready() or not self._is_ready():
            return HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse.SERVING

    def _is_ready(self) -> bool:
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._ready = self._ask_all()
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            return self._ready

    def _ask_all(self) -> bool:
        for extension in self.server.container.extensions:
            check = getattr(extension, "check", None)
            if check is not None and not _passes(check):
                log.debug("%r is not ready", extension)
                return False
        return True


def _passes(check: Callable[[], None]) -> bool:
    try:
        with eventlet.Timeout(CHECK_SECONDS):
            check()
    except (Exception, eventlet.Timeout):
        return False
    return True


def _asked(call: Call) -> str:
    try:
        return str(HealthCheckRequest.FromString(call.request.message()).service)
    except DecodeError:
        raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is malformed.") from None


def _answer(status: Any) -> bytes:
    return bytes(HealthCheckResponse(status=status).SerializeToString())
