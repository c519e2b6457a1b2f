"""The entrypoint: a method of a service that answers a method of a gRPC stub."""

import json
import logging
import time
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError
from grpc import StatusCode
from nameko.exceptions import ConfigurationError, ContainerBeingKilled
from nameko_grpc import entrypoint
from nameko_grpc.constants import Cardinality
from nameko_grpc.context import METADATA_PREFIX
from nameko_grpc.errors import GrpcError
from nameko_grpc.inspection import Inspector

from chassis.errors import ServiceError
from chassis.grpc.call import Call, Context
from chassis.grpc.server import GrpcServer, Method
from chassis.workers import DEADLINE

log = logging.getLogger(__name__)


class Grpc(entrypoint.Grpc):
    """nameko-grpc's entrypoint for unary methods, on our server."""

    grpc_server = GrpcServer()
    message_type: Any

    def __init__(self, stub: type, **kwargs: Any) -> None:
        kwargs.setdefault("expected_exceptions", ServiceError)
        super().__init__(stub, **kwargs)

    def bind(self, container: Any, method_name: str) -> "Grpc":
        """Bind to a method; raise ConfigurationError where the stub has none that we can serve."""
        inspector = Inspector(self.stub)
        cardinality = inspector.cardinality_map.get(method_name)
        if cardinality is None:
            raise ConfigurationError(f"{self.stub.__name__} has no method {method_name}")
        if cardinality is not Cardinality.UNARY_UNARY:
            raise ConfigurationError(f"{method_name} streams: only unary methods are served")
        bound: Grpc = super().bind(container, method_name)
        bound.message_type = inspector.input_type_for_method(method_name)
        return bound

    def setup(self) -> None:
        """Offer the method."""
        method = Method(self.handle, waits=self._no_worker_is_free)
        self.grpc_server.register(self.method_path, method)

    def stop(self) -> None:
        """Finish what has begun. nameko-grpc (1.4.0rc3) forgot the method before its calls."""
        self.grpc_server.drain()

    def _no_worker_is_free(self) -> bool:
        return bool(self.container._worker_pool.free() <= 0)

    def handle(self, call: Call) -> None:
        """Have a worker answer a complete request; raise GrpcError for one that is none."""
        try:
            request = self.message_type.FromString(call.request.message())
        except DecodeError:
            raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is malformed.") from None
        data = context_data(call.request.headers.for_application)
        data[DEADLINE] = call.deadline
        try:
            # Waits for a free worker; the call's end meanwhile ends this green thread.
            self.container.spawn_worker(
                self,
                (request, Context(call)),
                {},
                context_data=data,
                handle_result=partial(_handle_result, call),
            )
        except ContainerBeingKilled:
            raise GrpcError(StatusCode.UNAVAILABLE, "The server is stopping.") from None


def context_data(metadata: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return what ``x-nameko-`` metadata says of the calls before; raise GrpcError.

    nameko-grpc (1.4.0rc3) dies of a value that is not JSON, and takes all other metadata in as
    well, so that a binary one breaks the next call over the bus.
    """
    data: dict[str, Any] = {}
    for name, value in metadata:
        if name.startswith(METADATA_PREFIX):
            try:
                data[name.removeprefix(METADATA_PREFIX)] = json.loads(
                    value, parse_constant=_no_number
                )
            except (ValueError, RecursionError):
                raise GrpcError(StatusCode.INVALID_ARGUMENT, f"{name} is not JSON.") from None
    _check_call_stack(data)
    return data


def _no_number(constant: str) -> None:
    raise ValueError(constant)


def _check_call_stack(data: dict[str, Any]) -> None:
    stack = data.get("call_id_stack", [])
    if not isinstance(stack, list) or not all(isinstance(call, str) for call in stack):
        raise GrpcError(StatusCode.INVALID_ARGUMENT, "x-nameko-call_id_stack is no list of names.")


def _handle_result(call: Call, worker_ctx: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
    """Send what the worker made. Nothing may be raised here: nameko would end the process."""
    try:
        _finish(call, result, exc_info[1] if exc_info else None)
    except Exception as error:
        log.exception("what %s returned cannot be sent", worker_ctx.entrypoint.method_name)
        call.fail(error)
        exc_info = (type(error), error, error.__traceback__)
    return result, exc_info


def _finish(call: Call, result: Any, error: BaseException | None) -> None:
    if error is None:
        call.answer(result.SerializeToString())
    elif call.deadline is not None and time.time() >= call.deadline:
        error = GrpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded.")
    call.finish(error)
