"""Core NATS for green threads: publish, subscribe, and be connected again whatever happens.

While no server is there, publishing fails at once with ``Unavailable``: nothing is silently kept
for later. Subscriptions outlive the connection.
"""

import itertools
import logging
import random
import time
import uuid
from collections.abc import Callable
from functools import partial

import eventlet
from eventlet import hubs
from eventlet.event import Event

from chassis.errors import InvalidInput, Unavailable
from chassis.nats import protocol
from chassis.nats.protocol import Message
from chassis.nats.requests import Requests
from chassis.nats.servers import Pool, Record, Servers
from chassis.nats.session import Session

log = logging.getLogger(__name__)

MAX_PAYLOAD_BYTES = 1024 * 1024
_RECONNECT_SECONDS = 0.25
_STALE_SECONDS = 5
_BEGIN_SECONDS = 1.0
_BLIP_SECONDS = 0.1

Callback = Callable[[Message], None]


class Subscription:
    """Interest in a subject, kept over every reconnection until ``unsubscribe``."""

    def __init__(self, client: "Client", sid: int, subject: str, queue: str, heard: Callback):
        self.sid = sid
        self.heard = heard
        self.request = protocol.subscription(subject, queue, sid)
        self._client = client

    def unsubscribe(self) -> None:
        """Give up the interest; what the server sent before is still delivered."""
        self._client.forget(self)


class Client:
    """One connection to a NATS cluster, for the whole process."""

    def __init__(self, url: str, closed: Callable[["Client"], None]) -> None:
        self._closed = closed  # called when we leave for good
        self._servers = servers = Servers.parse(url)
        # Under the name of our user, so that it alone can be granted to listen there.
        self.inbox_prefix = f"_INBOX.{servers.user}" if servers.user else "_INBOX"
        self.reconnections = -1  # the first connection is none
        self._pool = Pool(servers.known())
        self._record = Record.of(url, servers)
        self._session: Session | None = None
        self._subscriptions: dict[int, Subscription] = {}
        self._left: dict[int, Subscription] = {}  # of which something may still be on its way
        self._watchers: set[Callable[[], None]] = set()
        self._requests = Requests(self.new_inbox(), self._send, self.subscribe)
        self._sids = itertools.count(1)
        self._there: Event = Event()
        self._closing = False
        self._seen = float("-inf")  # when the hub last looked, on the monotonic clock
        self._living = eventlet.spawn(self._live)

    @property
    def connected(self) -> bool:
        """Say whether a server is there now."""
        return self._session is not None and not self._session.over

    def is_still(self, reconnections: int) -> bool:
        """Say whether what is sent now goes over the connection that was made as the so manyth."""
        return self.connected and not self._is_stale and self.reconnections == reconnections

    def publish(
        self,
        subject: str,
        body: bytes,
        reply: str = "",
        headers: dict[str, str] | None = None,
        head: bytes = b"",
    ) -> None:
        """Send a message at most once; raise Unavailable while no server is there.

        Its headers may be given as they are sent, in ``head``.
        """
        head = protocol.head_of(headers) if headers else head
        self._send(subject, body, reply, head)

    def request(self, subject: str, body: bytes, seconds: float, head: bytes = b"") -> Message:
        """Ask, and return the reply; its status may be NO_RESPONDERS. Raise Unavailable."""
        return self._requests.ask(subject, body, seconds, head)

    def gather(
        self, subject: str, body: bytes, seconds: float, is_last: Callable[[Message], bool]
    ) -> list[Message]:
        """Ask, and return all replies up to the last one; raise Unavailable."""
        return self._requests.gather(subject, body, seconds, is_last)

    def forward(self, message: Message) -> None:
        """Send a message again as it came, to somebody else who listens there."""
        self._send(message.subject, message.data, message.reply, message.head)

    def subscribe(self, subject: str, heard: Callback, queue: str = "") -> Subscription:
        """Call back for each message, in the hub: the callback must not block."""
        subscription = Subscription(self, next(self._sids), subject, queue, heard)
        self._subscriptions[subscription.sid] = subscription
        if self._session is not None:
            self._session.write(subscription.request)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Give up an interest."""
        sid = subscription.sid
        if self._subscriptions.pop(sid, None) is None or self._session is None:
            return
        self._left[sid] = subscription
        self._session.write(protocol.unsubscription(sid))
        self._session.ping(partial(self._drop, sid))

    def _drop(self, sid: int) -> None:
        self._left.pop(sid, None)

    def watch(self, made: Callable[[], None]) -> None:
        """Call back whenever the connection was made anew: the callback must not block."""
        self._watchers.add(made)

    def unwatch(self, made: Callable[[], None]) -> None:
        """Call back no more."""
        self._watchers.discard(made)

    def new_inbox(self) -> str:
        """Return a subject that nobody else listens to."""
        return f"{self.inbox_prefix}.{uuid.uuid4().hex}"

    def flush(self, seconds: float) -> None:
        """Wait until the server has everything sent so far; raise Unavailable."""
        heard: Event = Event()
        self._current().ping(lambda: heard.ready() or heard.send(True))
        if not heard.wait(timeout=seconds):
            raise Unavailable("bus_unavailable", "The message bus did not answer.")

    def wait_connected(self, seconds: float) -> bool:
        """Wait for the connection; say whether it is there."""
        self._there.wait(timeout=seconds)
        return self.connected

    def close(self, seconds: float) -> None:
        """Send what is on its way, for so long, and leave for good."""
        try:
            if self.connected:
                self.flush(seconds)
        except Unavailable:
            log.debug("NATS went away before the connection was closed")
        self._closed(self)
        self._closing = True
        self._living.kill()
        if self._session is not None:
            self._session.end(ConnectionError("closed"))
            self._session = None
        hubs.get_hub().schedule_call_global(0, self._requests.lose)

    def _send(self, subject: str, body: bytes, reply: str, head: bytes) -> None:
        session = self._current()
        if len(body) > min(session.info.get("max_payload", MAX_PAYLOAD_BYTES), MAX_PAYLOAD_BYTES):
            raise InvalidInput("message_too_large", "The message is too large.")
        session.write(protocol.publication(subject, body, reply, head))

    def _current(self) -> Session:
        session = self._session
        if session is None or session.over or self._is_stale:
            session = self._looked_for()
        if session.is_stuck:
            raise Unavailable("bus_unavailable", "The message bus is away; try again.")
        return session

    @property
    def _is_stale(self) -> bool:
        return time.monotonic() - self._seen > _STALE_SECONDS

    def _looked_for(self) -> Session:
        # A process that has just begun does not know yet, and neither does a shell that waited
        # for its user and gave the hub no time: wait for a moment.
        stale = self._is_stale
        if eventlet.getcurrent() is not hubs.get_hub().greenlet:  # who must not wait does not
            self._seen = time.monotonic()
            eventlet.sleep(0.001)
            self.wait_connected(_BEGIN_SECONDS if stale else _BLIP_SECONDS)
        session = self._session
        if session is None or session.over:
            raise Unavailable("bus_unavailable", "The message bus is away; try again.")
        return session

    def _deliver(self, message: Message) -> None:
        found = self._subscriptions.get(message.sid) or self._left.get(message.sid)
        if found is None:
            return
        try:
            found.heard(message)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            # Also of a green thread that was let go on: the hub would give up the connection.
            log.exception("a message could not be taken")

    def _live(self) -> None:
        tries = 0
        while not self._closing:
            try:
                session = self._connect()
                tries = 0
                why: Exception = session.ended.wait()
                self._learn(session)
            except (Exception, eventlet.Timeout) as error:
                why = error if isinstance(error, Exception) else TimeoutError("no answer")
            self._session = None
            hubs.get_hub().schedule_call_global(0, self._requests.lose)
            if self._there.ready():
                self._there = Event()
            self._record.note(why, connected=False)
            tries += 1
            if tries % len(self._pool) == 0:
                eventlet.sleep(_jittered(_RECONNECT_SECONDS))

    def _connect(self) -> Session:
        server = self._pool.next()
        session = Session(self._servers, server, self._deliver, self._complain, self._look)
        self._server = server
        self._learn(session)
        self._left.clear()
        for subscription in self._subscriptions.values():
            session.write(subscription.request)
        self._session = session
        self.reconnections += 1
        self._look()
        self._record.over()
        self._there.send(None)
        for made in list(self._watchers):
            try:
                made()
            except Exception:  # of theirs: the connection is good
                log.exception("somebody who waited for the connection failed")
        return session

    def _learn(self, session: Session) -> None:
        self._pool.learn(session.info.get("connect_urls") or [], self._server)

    def _look(self) -> None:
        self._seen = time.monotonic()

    def _complain(self, error: Exception) -> None:
        self._record.note(error, connected=True)


def _jittered(seconds: float) -> float:
    return seconds * (1 + random.random())  # noqa: S311 - no secret
