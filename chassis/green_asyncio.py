"""asyncio in a green thread: one event loop for the process, driven by eventlet's hub.

nats-py speaks asyncio, nameko eventlet. Other ways were tried (DESIGN.md names them): eventlet's
asyncio hub needs an environment variable before Python starts, and a native thread cannot share
eventlet's locks and queues. Here asyncio's own loop runs in a green thread and, where it would
block in ``select``, hands over to the hub instead. It works with and without monkey patching.
"""

import asyncio
import selectors
from asyncio import selector_events
from collections.abc import Coroutine
from typing import Any, TypeVar

import eventlet
import greenlet
from eventlet import hubs
from eventlet.event import Event
from eventlet.green import socket as green_socket
from eventlet.hubs.hub import READ, WRITE

T = TypeVar("T")

_TURNS_BEFORE_YIELD = 16

_EVENTS = {READ: selectors.EVENT_READ, WRITE: selectors.EVENT_WRITE}


class HubSelector(selectors._BaseSelectorImpl):
    """A selector that waits in eventlet's hub, where the other green threads go on meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: dict[int, list[Any]] = {}
        self._ready: dict[int, int] = {}
        self._sleeper: Any = None
        self._woken = False
        self._roused = False
        self._turns = 0
        self._naps = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        """Watch a file; the hub keeps the listener until it is unregistered."""
        key = super().register(fileobj, events, data)
        hub = hubs.get_hub()
        self._listeners[key.fd] = [
            hub.add(kind, key.fd, self._on_event(kind), self._on_error, None)
            for kind, event in _EVENTS.items()
            if events & event
        ]
        return key

    def unregister(self, fileobj: Any) -> Any:
        """Stop watching a file."""
        key = super().unregister(fileobj)
        for listener in self._listeners.pop(key.fd, ()):
            hubs.get_hub().remove(listener)
        self._ready.pop(key.fd, None)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        """Return what is ready, after at most ``timeout`` seconds (None: until something is)."""
        if self._ready or self._woken or (timeout is not None and timeout <= 0):
            self._turns += 1
            if self._turns >= _TURNS_BEFORE_YIELD:
                self._sleep(0)
        else:
            self._sleep(timeout)
        ready, self._ready, self._woken = self._ready, {}, False
        keys = self.get_map()
        return [
            (keys[fd], events & keys[fd].events)
            for fd, events in ready.items()
            if fd in keys and events & keys[fd].events
        ]

    def wake(self) -> None:
        """End a ``select`` that waits; called from other green threads."""
        self._woken = True
        self._rouse()

    def _sleep(self, timeout: float | None) -> None:
        self._turns = 0
        hub = hubs.get_hub()
        self._sleeper = greenlet.getcurrent()
        self._naps += 1
        timer = None
        if timeout is not None:
            timer = hub.schedule_call_global(timeout, self._resume, self._naps)
        try:
            hub.switch()
        finally:
            self._sleeper = None
            self._roused = False
            if timer is not None:
                timer.cancel()

    def _rouse(self) -> None:
        if self._sleeper is not None and not self._roused:
            self._roused = True
            hubs.get_hub().schedule_call_global(0, self._resume, self._naps)

    def _resume(self, nap: int) -> None:
        # A call for an earlier nap must not wake the thread out of another wait.
        if self._sleeper is not None and nap == self._naps:
            self._sleeper.switch()

    def _on_event(self, kind: str) -> Any:
        event = _EVENTS[kind]

        def on_event(fd: int) -> None:
            self._ready[fd] = self._ready.get(fd, 0) | event
            self._rouse()

        return on_event

    def _on_error(self, *_: Any) -> None:
        self._rouse()


class HubEventLoop(selector_events.BaseSelectorEventLoop):
    """asyncio's selector loop without a self-pipe: waking it is a call."""

    def __init__(self) -> None:
        self._hub_selector = HubSelector()
        super().__init__(self._hub_selector)

    def _make_self_pipe(self) -> None:
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        self._hub_selector.wake()

    async def getaddrinfo(self, host: Any, port: Any, **kwargs: Any) -> Any:
        """Resolve a name in a green thread: asyncio's way needs native threads."""
        future = self.create_future()

        def resolve() -> None:
            try:
                answer = green_socket.getaddrinfo(host, port, **kwargs)
            except Exception as error:
                outcome, value = future.set_exception, error
            else:
                outcome, value = future.set_result, answer
            if not future.done():
                self.call_soon_threadsafe(outcome, value)

        eventlet.spawn_n(resolve)
        return await future


_loops: dict[int, HubEventLoop] = {}


def loop() -> HubEventLoop:
    """Return the loop of this native thread, started in a green thread on first use."""
    # The *native* thread decides: each has a hub of its own. get_ident is patched to the
    # green thread, so the hub stands for its thread.
    key = id(hubs.get_hub())
    if key not in _loops:
        new = _loops[key] = HubEventLoop()
        eventlet.spawn_n(new.run_forever)
    return _loops[key]


def run(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Run a coroutine in the loop; block this green thread for its result.

    Raises TimeoutError after ``seconds``, and then cancels the work; otherwise whatever the
    coroutine raises.
    """
    the_loop = loop()
    done: Event = Event()
    tasks: list[asyncio.Task[T]] = []

    def start() -> None:
        task = the_loop.create_task(work)
        tasks.append(task)
        task.add_done_callback(finish)

    def finish(task: "asyncio.Task[T]") -> None:
        if task.cancelled():
            done.send_exception(TimeoutError("cancelled"))
        elif (error := task.exception()) is not None:
            done.send_exception(error)
        else:
            done.send(task.result())

    the_loop.call_soon_threadsafe(start)
    try:
        with eventlet.Timeout(seconds, TimeoutError(f"no answer within {seconds:.1f} seconds")):
            return done.wait()
    finally:
        if tasks and not tasks[0].done():
            the_loop.call_soon_threadsafe(tasks[0].cancel)
