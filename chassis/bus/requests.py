"""The service's side of RPC without kombu in between, where the bus is NATS.

nameko (3.0.0rc11) starts two green threads for each request and asks kombu to unwrap it; here a
request goes from the connection to its worker, and waits only if there is no place for it.
"""

import inspect
import logging
import math
import sys
import time
from collections import deque
from functools import partial
from typing import Any

from kombu import serialization
from nameko import rpc
from nameko.exceptions import (
    ContainerBeingKilled,
    IncorrectSignature,
    MalformedRequest,
    MethodNotFound,
    UnserializableValueError,
    serialize,
)

from chassis import config
from chassis.bus.bodies import JSON, decode, encode
from chassis.bus.envelope import DEADLINE_HEADER, PREFIX, headers, number, properties_of, text
from chassis.bus.queues import Bus, bus
from chassis.bus.subjects import subject
from chassis.errors import InvalidInput, Unavailable
from chassis.nats import Message
from chassis.nats.servers import SCHEMES

log = logging.getLogger(__name__)


class RpcConsumer(rpc.RpcConsumer):
    """nameko's, and over NATS one that hands requests on as they come."""

    requests: "Requests | None" = None

    def setup(self) -> None:
        """Choose where requests arrive."""
        super().setup()
        if self.amqp_uri.startswith(SCHEMES) and hasattr(self.container, "when_free"):
            self.requests = Requests(bus(self.amqp_uri), self.container, self.consumer.accept)

    def start(self) -> None:
        """Join the queue group."""
        if self.requests is None:
            super().start()
        else:
            self.requests.begin({each.method_name: each for each in self._providers})

    def stop(self) -> None:
        """Leave the queue group."""
        if self.requests is None:
            super().stop()
        else:
            self.requests.end()


class Request:
    """What somebody asks of a service, and where the reply goes."""

    __slots__ = ("deadline", "message", "properties")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.properties = properties_of(message)
        self.deadline = number(self.context().get(DEADLINE_HEADER), math.inf)

    def context(self) -> dict[str, Any]:
        """Return the headers of the caller's worker."""
        given = self.properties.get("headers")
        return given if isinstance(given, dict) else {}

    @property
    def kind(self) -> str:
        """Return the body's content type."""
        return text(self.properties.get("content_type"), JSON)

    def arguments(self, accept: list[str]) -> tuple[list[Any], dict[str, Any]]:
        """Return what the method is called with; raise MalformedRequest."""
        encoding = text(self.properties.get("content_encoding"), "utf-8")
        try:
            body = decode(self.message.data, self.kind, encoding, accept)
        except Exception as error:
            raise MalformedRequest(f"The body cannot be read: {type(error).__name__}") from None
        try:
            args, kwargs = body["args"], body["kwargs"]
        except (KeyError, TypeError):
            raise MalformedRequest("Message missing `args` or `kwargs`") from None
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise MalformedRequest("`args` or `kwargs` are none")
        return args, kwargs

    def carried(self) -> dict[str, Any]:
        """Return the context data for the worker."""
        return {name.removeprefix(PREFIX): value for name, value in self.context().items()}


class Requests:
    """The requests to the service of one container: its workers get as many as they can take."""

    def __init__(self, on: Bus, container: Any, accept: list[str]) -> None:
        self._bus = on
        self._container = container
        self._accept = accept
        self._exchange = rpc.get_rpc_exchange().name
        self._most = config.optional("PREFETCH_COUNT") or container.max_workers
        self._in_hand = 0
        self._waiting: deque[Request] = deque()
        self._methods: dict[str, Any] = {}
        self._signatures: dict[str, inspect.Signature] = {}
        self._subscription: Any = None

    def begin(self, methods: dict[str, Any]) -> None:
        """Join the queue group."""
        self._methods = methods
        service_cls = self._container.service_cls
        self._signatures = {name: inspect.signature(getattr(service_cls, name)) for name in methods}
        if self._subscription is None:
            service = self._container.service_name
            self._prefix = subject(self._exchange, service) + "."
            self._bus.consumers.add(self)
            self._container.when_free(self._hand_on)
            self._subscription = self._bus.connection.subscribe(
                self._prefix + "*",
                self._on_message,
                queue=subject(rpc.RPC_QUEUE_TEMPLATE.format(service)),
            )

    def __len__(self) -> int:
        return len(self._waiting)

    def unsubscribe(self) -> None:
        """Leave the queue group; what has arrived is still done."""
        if self._subscription is not None:
            self._subscription.unsubscribe()

    def end(self) -> None:
        """Leave the queue group, and be counted no more."""
        self.unsubscribe()
        self._bus.consumers.discard(self)

    def _on_message(self, message: Message) -> None:
        self._waiting.append(Request(message))
        self._hand_on()

    def _hand_on(self) -> None:
        """Give workers what waits, as long as there is room: called in the hub, it never waits."""
        places = self._container._worker_pool.sem
        while self._waiting and self._in_hand < self._most:
            if places.counter <= 0 or places.balance < places.counter:  # or others wait already
                return
            request = self._waiting.popleft()
            if request.deadline < time.time():
                log.debug("dropped a request whose deadline has passed")
                continue
            try:
                self._begin(request)
            except ContainerBeingKilled:
                self._give_back(request)
            except Exception:
                self._answer(request, None, sys.exc_info())

    def _begin(self, request: Request) -> None:
        name = request.message.subject.removeprefix(self._prefix)
        method = self._methods.get(name)
        if method is None:
            raise MethodNotFound(name)
        args, kwargs = request.arguments(self._accept)
        try:
            self._signatures[name].bind(None, *args, **kwargs)
        except TypeError as error:
            raise IncorrectSignature(str(error)) from None
        self._in_hand += 1
        try:
            self._container.spawn_worker(
                method, args, kwargs, request.carried(), partial(self._finish, request)
            )
        except BaseException:
            self._in_hand -= 1
            raise

    def _finish(self, request: Request, worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        self._in_hand -= 1
        return self._answer(request, result, exc_info)

    def _answer(self, request: Request, result: Any, exc_info: Any) -> tuple[Any, Any]:
        """Reply, in the way in which the request was written; return what was replied."""
        error = serialize(exc_info[1]) if exc_info else None
        serializer = serialization.registry.type_to_name.get(request.kind, "json")
        try:
            content_type, encoding, body = encode({"result": result, "error": error}, serializer)
        except Exception:
            exc_info, unserializable = sys.exc_info(), UnserializableValueError(result)
            result, error = None, serialize(unserializable)
            content_type, encoding, body = encode({"result": None, "error": error}, serializer)
        reply_to = text(request.properties.get("reply_to"))
        if reply_to:
            about = {
                "content_type": content_type,
                "content_encoding": encoding,
                "correlation_id": text(request.properties.get("correlation_id")),
            }
            try:
                to = subject(self._exchange, reply_to)
                self._bus.connection.publish(to, body, headers=headers(about))
            except Unavailable:
                log.warning("a reply was not sent: the message bus is away")
            except InvalidInput as too_large:
                if error is None:
                    return self._answer(request, None, (type(too_large), too_large, None))
        return result, exc_info

    def _give_back(self, request: Request) -> None:
        """Give a request to another replica: this one is going."""
        self.unsubscribe()
        try:
            self._bus.connection.forward(request.message)
        except Unavailable:
            log.debug("a request could not be given back: the message bus is away")
