"""The client: a dependency that calls the methods of a gRPC stub."""

import json
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from google.protobuf.message import DecodeError
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider
from nameko_grpc.constants import Cardinality
from nameko_grpc.context import METADATA_PREFIX
from nameko_grpc.inspection import Inspector

from chassis import config
from chassis.calls import PeerCalls
from chassis.grpc import statuses
from chassis.grpc.channel import Channel
from chassis.grpc.http2 import RawHeaders
from chassis.tls import Tls
from chassis.workers import DEADLINE


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
        self.methods = _methods(self.stub_cls)
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
        path, answer_type = self.methods[method]
        with self.calls.begin(method, left) as carried:
            headers = [path, *self._headers, *_metadata({**context, **carried})]
            answer = self.channel.call(headers, request.SerializeToString(), left)
            try:
                return answer_type.FromString(answer)
            except DecodeError as error:
                raise statuses.failed(error) from error


class Peer:
    """A server as one worker sees it: its unary methods are attributes."""

    def __init__(self, client: GrpcClient, context_data: dict[str, Any]) -> None:
        self._client = client
        self._context_data = context_data

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._client.methods:
            raise AttributeError(f"{self._client.target} has no unary method {name}")
        return partial(self._client.call, name, self._context_data)


def _methods(stub: type) -> dict[str, tuple[tuple[bytes, bytes], Any]]:
    """Return the unary methods of a stub: the header that names each, and what it answers."""
    inspector = Inspector(stub)
    return {
        name: (
            (b":path", inspector.path_for_method(name).encode()),
            inspector.output_type_for_method(name),
        )
        for name, cardinality in inspector.cardinality_map.items()
        if cardinality is Cardinality.UNARY_UNARY
    }


def _metadata(context_data: dict[str, Any]) -> RawHeaders:
    """Return what the server's worker shall know; the deadline goes as ``grpc-timeout``."""
    return [
        (_metadata_name(name), _json(value))
        for name, value in context_data.items()
        if name != DEADLINE
    ]


@lru_cache(maxsize=64)
def _metadata_name(name: str) -> bytes:
    return f"{METADATA_PREFIX}{name.lower()}".encode()


def _json(value: Any) -> bytes:
    """Return a value as JSON of ASCII alone, which is what metadata may hold."""
    text = msgspec.json.encode(value)
    return text if text.isascii() else json.dumps(value).encode()


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
