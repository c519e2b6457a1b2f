"""The client: a dependency that calls the methods of a gRPC stub."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider
from nameko_grpc.constants import Cardinality
from nameko_grpc.context import metadata_from_context_data
from nameko_grpc.headers import HeaderManager
from nameko_grpc.inspection import Inspector

from chassis import config
from chassis.calls import PeerCalls
from chassis.container import DEADLINE
from chassis.grpc import statuses
from chassis.grpc.channel import Channel
from chassis.grpc.sender import RawHeaders
from chassis.tls import Tls


class GrpcClient(DependencyProvider):
    """Inject the server at ``target_key`` as an object with the methods of ``stub_cls``.

    A call ends at the deadline of the request that makes it, and after RPC_TIMEOUT_SECONDS at
    the latest. It raises what the server raises, and Unavailable when the server is away, does
    not answer in time, breaks, or has RPC_CALLS_IN_FLIGHT calls of this process under way.
    ``target`` is the name of the service there.
    """

    def __init__(self, stub_cls: type, target_key: str, target: str) -> None:
        self.stub_cls = stub_cls
        self.target_key = target_key
        self.target = target

    def bind(self, container: Any, attr_name: str = "") -> "GrpcClient":
        """Bind to a service, or to another provider that wraps this one."""
        bound: GrpcClient = super().bind(container, attr_name)
        return bound

    def setup(self) -> None:
        """Read the configuration; the server may be away."""
        self.seconds = config.positive("RPC_TIMEOUT_SECONDS")
        places = config.positive_integer("RPC_CALLS_IN_FLIGHT")
        self.calls = PeerCalls(self.container.service_name, self.target, places)
        self.inspector = Inspector(self.stub_cls)
        scheme, host, port = _parse_target(self.target_key)
        limit = config.positive_integer("GRPC_MAX_MESSAGE_BYTES")
        self.channel = Channel(host, port, limit, _tls(self.target_key, scheme))
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._headers = [
            (b":method", b"POST"),
            (b":scheme", scheme.encode()),
            (b":authority", authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc+proto"),
            (b"user-agent", b"grpc-python-nameko-delinkcious"),
        ]

    def stop(self) -> None:
        """Hang up."""
        self.channel.close()

    def get_dependency(self, worker_ctx: Any) -> "Peer":
        """Return the server as this worker sees it."""
        return Peer(self, worker_ctx.context_data)

    def call(
        self, method: str, context: dict[str, Any], request: Any, timeout: float | None = None
    ) -> Any:
        """Call ``method`` on behalf of the request whose context data is given."""
        now = time.time()
        longest = self.seconds if timeout is None else min(self.seconds, timeout)
        left = min(context.get(DEADLINE) or now + longest, now + longest) - now
        if left <= 0:
            raise statuses.timed_out()
        with self.calls.begin(method, left) as carried:
            metadata = _metadata({**context, **carried})
            headers = [self._path(method), *self._headers, *metadata]
            answer = self.channel.call(headers, request.SerializeToString(), left)
            try:
                return self.inspector.output_type_for_method(method).FromString(answer)
            except DecodeError as error:
                raise statuses.failed(error) from error

    def _path(self, method: str) -> tuple[bytes, bytes]:
        return (b":path", self.inspector.path_for_method(method).encode())


class Peer:
    """A server as one worker sees it: its unary methods are attributes."""

    def __init__(self, client: GrpcClient, context_data: dict[str, Any]) -> None:
        self._client = client
        self._context_data = context_data

    def __getattr__(self, name: str) -> Callable[..., Any]:
        inspector = self._client.inspector
        if inspector.cardinality_map.get(name) is not Cardinality.UNARY_UNARY:
            raise AttributeError(f"{inspector.service_name} has no unary method {name}")
        return partial(self._client.call, name, self._context_data)


def _metadata(context_data: dict[str, Any]) -> RawHeaders:
    """Return what the server's worker shall know; the deadline goes as ``grpc-timeout``."""
    data = {name.lower(): value for name, value in context_data.items() if name != DEADLINE}
    return HeaderManager.encode(metadata_from_context_data(data))


def _tls(key: str, scheme: str) -> Tls | None:
    tls = Tls("GRPC_TLS_CA_FILE", "GRPC_TLS_CERT_FILE", "GRPC_TLS_KEY_FILE", alpn="h2")
    if tls and scheme != "https":
        raise ConfigurationError(f"{key} must be https://host:port where GRPC_TLS_… is set")
    return tls if scheme == "https" else None


def _parse_target(key: str) -> tuple[str, str, int]:
    target = config.text(key)
    try:
        url = urlsplit(target if "//" in target else f"//{target}")
        if url.scheme in ("", "http", "https") and url.hostname and url.port:
            return url.scheme or "http", url.hostname, url.port
    except ValueError:
        pass
    raise ConfigurationError(f"{key} must be http://host:port or https://host:port, not {target!r}")
