"""A connection to NATS by nats-py, for the streams; see ``green_asyncio``.

It is made in the background and made again for as long as the process lives. While it
is away, publishing fails at once with ``Unavailable``: nothing is silently kept for later.
Subscriptions outlive the connection.
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import eventlet
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from chassis import green_asyncio
from chassis.errors import InvalidInput, Unavailable
from chassis.nats.client import MAX_PAYLOAD_BYTES
from chassis.nats.nats_py import Client
from chassis.nats.servers import Record, Servers

log = logging.getLogger(__name__)

T = TypeVar("T")
Callback = Callable[[Msg], None]

# nats-py (2.16) notices a frozen server after four minutes; with this, in six seconds.
_PING_SECONDS = 2
_PINGS_OUTSTANDING = 2
_CONNECT_SECONDS = 2
_RECONNECT_SECONDS = 0.25
_STALE_SECONDS = 5
_BLIP_SECONDS = 0.1
_GIVE_UP_SECONDS = 20  # a client that has not come back by itself is replaced by a new one


class Subscription:
    """Interest in a subject, kept over every reconnection until ``unsubscribe``."""

    def __init__(self, owner: "Connection", subject: str, queue: str, callback: Callback) -> None:
        self.subject = subject
        self.queue = queue
        self._owner = owner
        self._callback = callback
        self._client: Client | None = None
        self._live: Any = None

    async def attach(self, client: Client) -> None:
        """Subscribe on this client, once."""
        if self._client is client:
            return
        self._client = client

        async def deliver(message: Msg) -> None:
            self._callback(message)

        self._live = await client.subscribe(self.subject, queue=self.queue, cb=deliver)

    def unsubscribe(self) -> None:
        """Give up the interest; what the server sent before may still be delivered."""
        self._owner.forget(self)
        live, self._live = self._live, None
        if live is not None:
            green_asyncio.run(_ignoring(live.unsubscribe(), nats.errors.Error), _CONNECT_SECONDS)


class Connection:
    """One connection to a NATS cluster, for the whole process."""

    def __init__(self, url: str, closed: Callable[["Connection"], None]) -> None:
        self._closed = closed  # called when we leave for good
        self._servers = servers = Servers.parse(url)
        # Under the name of our user, so that it alone can be granted to listen there.
        self.inbox_prefix = f"_INBOX.{servers.user}" if servers.user else "_INBOX"
        self._client: Client | None = None
        self._subscriptions: set[Subscription] = set()
        self._watchers: set[Callable[[], None]] = set()
        self._loop = green_asyncio.loop()
        self._record = Record.of(url, servers)
        self._tasks: set[Any] = set()
        self._seen = float("-inf")  # when the loop last looked, on the monotonic clock
        self._closing = False
        self.reconnections = -1  # the first connection is none
        self._main = self._loop.create_task(self._live())
        self._loop.call_soon_threadsafe(lambda: None)  # wake it, to begin

    @property
    def connected(self) -> bool:
        """Say whether a server is there now."""
        return self._client is not None and self._client.is_connected

    def publish(
        self, subject: str, body: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message at most once; raise Unavailable while no server is there."""
        client = self._current()
        if len(body) > min(client.max_payload, MAX_PAYLOAD_BYTES):
            raise InvalidInput("message_too_large", "The message is too large.")
        self._loop.call_soon_threadsafe(
            self._spawn, client.publish(subject, body, reply=reply, headers=headers)
        )

    def subscribe(self, subject: str, callback: Callback, queue: str = "") -> Subscription:
        """Call back for each message, in the loop's green thread: the callback must not block."""
        subscription = Subscription(self, subject, queue, callback)
        self._subscriptions.add(subscription)
        client = self._client
        if client is not None and not client.is_closed:
            attaching = _ignoring(subscription.attach(client), nats.errors.Error)
            green_asyncio.run(attaching, _CONNECT_SECONDS)
        return subscription

    def watch(self, made: Callable[[], None]) -> None:
        """Call back whenever the connection was made anew, in the loop's green thread."""
        self._watchers.add(made)

    def unwatch(self, made: Callable[[], None]) -> None:
        """Call back no more."""
        self._watchers.discard(made)

    def new_inbox(self) -> str:
        """Return a subject that nobody else listens to."""
        return f"{self.inbox_prefix}.{uuid.uuid4().hex}"

    def forget(self, subscription: Subscription) -> None:
        """Drop the subscription from those that a new client gets."""
        self._subscriptions.discard(subscription)

    def flush(self, seconds: float) -> None:
        """Wait until the server has everything sent so far; raise Unavailable."""
        self.call(lambda client: client.flush(max(1, round(seconds))), seconds)

    def wait_connected(self, seconds: float) -> bool:
        """Wait for the connection; say whether it is there."""

        async def wait() -> None:
            while not self.connected:
                await asyncio.sleep(0.01)

        try:
            green_asyncio.run(wait(), seconds)
        except TimeoutError:
            return False
        return True

    def call(self, work: Callable[[Client], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Run work on the client; raise Unavailable when NATS is away or does not answer."""
        client = self._current()
        try:
            return green_asyncio.run(work(client), seconds)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            if isinstance(error, nats.js.errors.APIError):
                raise
            raise Unavailable("bus_unavailable", "The message bus did not answer.") from error

    def close(self, seconds: float) -> None:
        """Send what is on its way, for so long, and leave for good."""
        try:
            if self.connected:
                self.flush(seconds)
        except Unavailable:
            log.debug("NATS went away before the connection was closed")
        self._closed(self)
        self._closing = True
        self._main.cancel()
        if self._client is not None:
            green_asyncio.run(_ignoring(self._client.close(), Exception), _CONNECT_SECONDS)

    def _current(self) -> Client:
        stale = time.monotonic() - self._seen > _STALE_SECONDS
        if stale or not self.connected:
            # A process that has just begun does not know yet, and neither does a shell that
            # waited for its user and gave the loop no time: wait for a moment.
            self._seen = time.monotonic()
            eventlet.sleep(0)
            self.wait_connected(_CONNECT_SECONDS / 2 if stale else _BLIP_SECONDS)
        if self._client is None or not self._client.is_connected:
            raise Unavailable("bus_unavailable", "The message bus is away; try again.")
        return self._client

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: Any) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("lost on the way to NATS: %s", error)

    async def _live(self) -> None:
        while not self._closing:
            client = Client(self._servers.tls)
            try:
                await self._connect(client)
                await self._until_lost(client)
            except Exception as error:
                await self._on_error(error)
            await _ignoring(client.close(), Exception)
            await asyncio.sleep(_jittered(_RECONNECT_SECONDS))

    async def _connect(self, client: Client) -> None:
        await client.connect(
            servers=self._servers.addresses,
            **self._servers.credentials,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_jittered(_RECONNECT_SECONDS),  # type: ignore[arg-type]
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=_PINGS_OUTSTANDING,
            pending_size=0,  # publishing while away is an error, not a promise
            inbox_prefix=self.inbox_prefix,
            error_cb=self._on_error,
            reconnected_cb=self._on_connected,
        )
        self._client = client
        for subscription in list(self._subscriptions):
            await subscription.attach(client)
        await client.flush()
        await self._on_connected()

    async def _until_lost(self, client: Client) -> None:
        # nats-py reconnects by itself, but closes for good on some errors of the server, and an
        # unforeseen error ends its reconnecting in silence.
        away = 0.0
        while not client.is_closed and away < _GIVE_UP_SECONDS:
            await asyncio.sleep(1)
            self._seen = time.monotonic()
            away = 0.0 if client.is_connected else away + 1

    async def _on_error(self, error: Exception) -> None:
        self._record.note(error, self.connected)

    async def _on_connected(self) -> None:
        self.reconnections += 1
        self._record.over()
        for made in list(self._watchers):
            made()


def _jittered(seconds: float) -> float:
    return seconds * (1 + random.random())  # noqa: S311 - no secret


async def _ignoring(work: Coroutine[Any, Any, Any], *ignored: type[Exception]) -> None:
    try:
        await work
    except ignored as error:
        log.debug("ignored: %s", error)
