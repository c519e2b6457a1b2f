"""RPC clients that never wait for ever and never let one peer take all workers."""

import time
from typing import Any

import eventlet
from nameko import rpc
from nameko.exceptions import MethodNotFound, RemoteError, RpcTimeout, UnknownService

from chassis import config
from chassis.bus import Publisher
from chassis.calls import PeerCalls
from chassis.container import DEADLINE
from chassis.errors import Unavailable


class ServiceRpc(rpc.ServiceRpc):
    """nameko's client of one service, bounded in time and in calls under way.

    A call ends at the deadline of the request that makes it, and after RPC_TIMEOUT_SECONDS at
    the latest. Raises what the peer raises, and Unavailable when the peer is away, does not
    answer in time, breaks, or has RPC_CALLS_IN_FLIGHT calls of this process under way.
    """

    publisher_cls = Publisher

    def setup(self) -> None:
        """Read the bounds and set up the client."""
        self.seconds = config.positive("RPC_TIMEOUT_SECONDS")
        places = config.positive_integer("RPC_CALLS_IN_FLIGHT")
        self.calls = PeerCalls(self.container.service_name, self.target_service, places)
        super().setup()

    def get_dependency(self, worker_ctx: Any) -> Any:
        """Return the client for this worker: a ``Peer``, or what a subclass makes of it."""
        return Peer(self, worker_ctx, super().get_dependency(worker_ctx))


class Peer:
    """One service as a worker sees it: its RPC methods are attributes."""

    def __init__(self, provider: ServiceRpc, worker_ctx: Any, client: rpc.Client) -> None:
        self._provider = provider
        self._context = worker_ctx.context_data
        self._client = client

    def __getattr__(self, method: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(method, args, kwargs)

        return call

    def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        provider, name = self._provider, self._provider.target_service
        limit = time.time() + provider.seconds
        deadline = min(self._context.get(DEADLINE) or limit, limit)
        client = self._client[method]
        with provider.calls.begin(method, deadline - time.time()) as carried:
            client.context_data = {**self._context, **carried, DEADLINE: deadline}
            try:
                # Over NATS the bus answers at the deadline; over RabbitMQ nothing else does.
                with eventlet.Timeout(max(0.001, deadline - time.time()) + 0.05, RpcTimeout()):
                    return client(*args, **kwargs)
            except (UnknownService, RpcTimeout):
                raise Unavailable("peer_away", f"{name} is away; try again.") from None
            except (RemoteError, MethodNotFound) as error:
                raise Unavailable("peer_failed", f"{name} failed; try again.") from error
