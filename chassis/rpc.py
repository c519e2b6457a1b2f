"""RPC clients that never wait for ever and never let one peer take all workers."""

import time
from functools import partial
from typing import Any

import eventlet
from nameko import rpc
from nameko.exceptions import (
    MethodNotFound,
    RemoteError,
    RpcTimeout,
    UnknownService,
    deserialize,
)

from chassis import config
from chassis.bus import Publisher, ReplyListener
from chassis.calls import PeerCalls
from chassis.errors import Unavailable
from chassis.workers import DEADLINE


class ServiceRpc(rpc.ServiceRpc):
    """nameko's client of one service, bounded in time and in calls under way.

    A call ends at the deadline of the request that makes it, and after RPC_TIMEOUT_SECONDS at
    the latest. Raises what the peer raises, and Unavailable when the peer is away, does not
    answer in time, breaks, or answers nobody while RPC_CALLS_IN_FLIGHT calls of this process are
    under way; while it answers some, the others wait in line.
    """

    publisher_cls = Publisher
    reply_listener = ReplyListener()

    def setup(self) -> None:
        """Read the bounds and set up the client."""
        self.seconds = config.positive("RPC_TIMEOUT_SECONDS")
        places = config.positive_integer("RPC_CALLS_IN_FLIGHT")
        self.calls = PeerCalls(self.container.service_name, self.target_service, places)
        super().setup()

    def get_dependency(self, worker_ctx: Any) -> Any:
        """Return the client for this worker: a ``Peer``, or what a subclass makes of it."""
        return Peer(self, worker_ctx.context_data)

    def ask(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], context: dict[str, Any]
    ) -> Any:
        """Make a call that ends at the deadline in its context; raise what the peer raises."""
        replies = self.reply_listener.replies
        if replies is None:  # not over NATS
            return self._ask_by_kombu(method, args, kwargs, context)
        payload = {"args": args, "kwargs": kwargs}
        reply = replies.call(f"{self.target_service}.{method}", payload, context)
        if error := reply.get("error"):
            raise deserialize(error)
        return reply["result"]

    def _ask_by_kombu(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], context: dict[str, Any]
    ) -> Any:
        client = rpc.Client(
            self.publisher.publish,
            self.reply_listener.register_for_reply,
            context,
            self.target_service,
            method,
        )
        left = max(0.001, context[DEADLINE] - time.time())
        with eventlet.Timeout(left, RpcTimeout()):
            return client(*args, **kwargs)


class Peer:
    """One service as a worker sees it: its RPC methods are attributes."""

    def __init__(self, provider: ServiceRpc, context: dict[str, Any]) -> None:
        self._provider = provider
        self._context = context

    def __getattr__(self, method: str) -> Any:
        return partial(self._call, method)

    def _call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        provider, name = self._provider, self._provider.target_service
        limit = time.time() + provider.seconds
        deadline = min(self._context.get(DEADLINE) or limit, limit)
        with provider.calls.begin(method, deadline - time.time()) as carried:
            context = {**self._context, **carried, DEADLINE: deadline}
            try:
                return provider.ask(method, args, kwargs, context)
            except (UnknownService, RpcTimeout):
                raise Unavailable("peer_away", f"{name} is away; try again.") from None
            except (RemoteError, MethodNotFound) as error:
                raise Unavailable("peer_failed", f"{name} failed; try again.") from error
