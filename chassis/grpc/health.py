"""The standard health service, answered without a worker: a full pool is no illness."""

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from nameko_grpc.errors import GrpcError

from chassis.grpc.call import Call

if TYPE_CHECKING:
    from chassis.grpc.server import GrpcServer

WATCH_SECONDS = 1.0  # how often those who watch are told


class Health:
    """``grpc.health.v1.Health``: SERVING while no extension's ``check()`` raises."""

    def __init__(self, server: "GrpcServer") -> None:
        self.server = server

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
            self.server.stopping.wait(timeout=WATCH_SECONDS)
        call.answer(_answer(HealthCheckResponse.NOT_SERVING))
        raise GrpcError(StatusCode.UNAVAILABLE, "The server is stopping.")

    def _knows(self, service: str) -> bool:
        return service in {"", *(path.split("/")[1] for path in self.server.methods)}

    def _status(self) -> Any:
        if self.server.stopping.ready() or self.server.readiness.away():
            return HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse.SERVING


def _asked(call: Call) -> str:
    try:
        return str(HealthCheckRequest.FromString(call.request.message()).service)
    except DecodeError:
        raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is malformed.") from None


def _answer(status: Any) -> bytes:
    return bytes(HealthCheckResponse(status=status).SerializeToString())
