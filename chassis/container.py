"""nameko's container, bounded: workers that end with their deadline, and a stop that ends.

Named in config.yaml as SERVICE_CONTAINER_CLS.
"""

import logging
import math
import os
import signal
import sys
import time
from typing import Any

import eventlet
from eventlet import hubs
from nameko import config as nameko_config
from nameko.containers import ServiceContainer, WorkerContext
from nameko.rpc import Responder

from chassis import bus, config, failpoints, nats
from chassis.bus.envelope import number
from chassis.errors import Unavailable
from chassis.nats.servers import SCHEMES, Servers
from chassis.telemetry import current
from chassis.telemetry.workers import count_late

log = logging.getLogger(__name__)

DEADLINE = "deadline"
_CALL_ID_STACK = "call_id_stack"


Responder.publisher_cls = bus.Publisher  # nameko's own point of extension for replies

_running: set["Container"] = set()  # of this process


class _Stopped(BaseException):
    """Ends a start that waits. Not an Exception: nothing has failed."""


class DeadlinePassed(eventlet.Timeout):
    """Ends a worker at its deadline. Not an Exception: no handler's ``except`` shall keep it."""


_BUSES = ("nats", "tls", "amqp", "amqps", "pyamqp")


class Container(ServiceContainer):
    """Run each worker until the deadline of the request that it works for, and no longer."""

    def __init__(self, service_cls: type) -> None:
        # What nameko reads itself, and of which it would not say what is wrong.
        for key in ("max_workers", "PREFETCH_COUNT"):
            if config.optional(key) is not None:
                config.positive_integer(key)
        if "AMQP_URI" in nameko_config:  # with none, nameko takes its own
            uri = config.servers("AMQP_URI", *_BUSES)
            if uri.startswith(SCHEMES):
                Servers.parse(uri)
        failpoints.check()
        self._starter: Any = None  # the thread that starts us, until it has
        super().__init__(service_cls)

    def start(self) -> None:
        """Start the service, which needs no server to be there yet."""
        if self._died.ready():  # stopped before we came to it
            return
        if not _running:
            _wake_on_signals()
        _running.add(self)
        self._starter = eventlet.getcurrent()
        try:
            nats.check_settings()
            super().start()
        except _Stopped:
            log.warning("stopped before it had started")
        except Exception:
            # eventlet (0.41.3) prints the traceback of a failing extension when its thread is
            # switched out: let that happen before ``nameko run`` says in a line what is wrong.
            eventlet.sleep(0)
            raise
        finally:
            self._starter = None

    def spawn_worker(
        self,
        entrypoint: Any,
        args: Any,
        kwargs: Any,
        context_data: dict[str, Any] | None = None,
        handle_result: Any = None,
    ) -> WorkerContext:
        """Spawn a worker; what strangers put into the context data must not end the process."""
        return super().spawn_worker(
            entrypoint, args, kwargs, _sane(context_data), handle_result or _pass_on
        )

    def _run_worker(self, worker_ctx: WorkerContext, handle_result: Any) -> None:
        current.begin(
            service=self.service_name,
            entrypoint=worker_ctx.entrypoint.method_name,
            call_id=worker_ctx.call_id,
            request_id=worker_ctx.data[current.REQUEST_ID],
        )
        deadline = worker_ctx.data.get(DEADLINE)
        if deadline is None:
            super()._run_worker(worker_ctx, handle_result)
            return
        left = deadline - time.time()
        if left <= 0:  # it waited for a place among the workers for too long
            count_late(self.service_name, worker_ctx.entrypoint.method_name)
            handle_result(worker_ctx, None, _too_late())
            return
        method_name = worker_ctx.entrypoint.method_name
        method = getattr(worker_ctx.service, method_name)

        def bounded(*args: Any, **kwargs: Any) -> Any:
            timeout = DeadlinePassed(max(0.001, deadline - time.time()))
            try:
                return method(*args, **kwargs)
            except DeadlinePassed as passed:
                if passed is not timeout:
                    raise
                raise Unavailable("deadline_passed", "This took too long; try again.") from None
            finally:
                timeout.cancel()

        setattr(worker_ctx.service, method_name, bounded)
        super()._run_worker(worker_ctx, handle_result)

    def stop(self) -> None:
        """Take no new work, finish what has begun, and end within STOP_GRACE_SECONDS."""
        if self._starter is not None:  # it waits for RabbitMQ, and would do so without end
            eventlet.kill(self._starter, _Stopped())
            self.kill()
            _running.discard(self)
            return
        if not self.started and not self._died.ready():
            self._died.send(None)
            return
        grace = config.positive("STOP_GRACE_SECONDS")
        began = time.monotonic()
        bus.drain(1)
        while bus.waiting() and time.monotonic() - began < grace:
            eventlet.sleep(0.01)
        timer = eventlet.spawn_after(grace, self._stop_now)
        super().stop()
        timer.cancel()
        _running.discard(self)
        if not _running:
            nats.flush(1)  # the last replies are on their way

    def _stop_now(self) -> None:
        log.warning("stopping with %d workers unfinished", len(self._worker_threads))
        self.kill()


def _wake_on_signals() -> None:
    """Let a signal end the hub's wait.

    After a signal eventlet (0.41.3) goes on to wait for its next event (PEP 475), and nameko,
    whose handler only spawns a thread, would not begin to stop before that.
    """
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    try:
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    except ValueError:  # not the main thread, which alone hears signals
        os.close(reader)
        os.close(writer)
        return

    def listen() -> None:
        while True:
            hubs.trampoline(reader, read=True)
            os.read(reader, 64)

    eventlet.spawn_n(listen)


def _sane(context_data: dict[str, Any] | None) -> dict[str, Any]:
    data = dict(context_data or {})
    stack = data.get(_CALL_ID_STACK, [])
    if not isinstance(stack, list) or not all(isinstance(call, str) for call in stack):
        data.pop(_CALL_ID_STACK)
    request_id = current.checked_request_id(data.get(current.REQUEST_ID))
    data[current.REQUEST_ID] = request_id or current.new_request_id()
    deadline = number(data.pop(DEADLINE, None), math.inf)
    if deadline < math.inf:
        data[DEADLINE] = deadline
    return data


def _too_late() -> Any:
    try:
        raise Unavailable("deadline_passed", "This waited too long; try again.")
    except Unavailable:
        return sys.exc_info()


def _pass_on(worker_ctx: WorkerContext, result: Any, exc_info: Any) -> Any:
    return result, exc_info
