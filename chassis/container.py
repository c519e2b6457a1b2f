"""nameko's container, bounded: workers that end with their deadline, and a stop that ends.

Named in config.yaml as SERVICE_CONTAINER_CLS.
"""

import logging
import math
import os
import signal
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import eventlet
from eventlet import hubs
from nameko import config as nameko_config
from nameko.containers import ServiceContainer, WorkerContext
from nameko.exceptions import ContainerBeingKilled
from nameko.rpc import ClusterRpc, Responder, Rpc

from chassis import bus, config, failpoints, nats
from chassis.bus.envelope import number
from chassis.nats.servers import SCHEMES, Servers
from chassis.telemetry import current
from chassis.telemetry.workers import count_late
from chassis.workers import DEADLINE, Hooks, Worker, too_late, work

log = logging.getLogger(__name__)

_CALL_ID_STACK = "call_id_stack"


# nameko's own points of extension: over NATS, kombu has no part in a call.
Responder.publisher_cls = ClusterRpc.publisher_cls = bus.Publisher
Rpc.rpc_consumer = bus.RpcConsumer()
ClusterRpc.reply_listener = bus.ReplyListener()

_running: set["Container"] = set()  # of this process


class _Stopped(BaseException):
    """Ends a start that waits. Not an Exception: nothing has failed."""


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
        self._takers: list[Callable[[], None]] = []
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
        if self._being_killed:
            raise ContainerBeingKilled
        service = self.service_cls()
        worker = Worker(self, service, entrypoint, args, kwargs, data=_sane(context_data))
        thread = self._worker_pool.spawn(self._run_worker, worker, handle_result or _pass_on)
        thread.link(self._handle_worker_thread_exited, worker)
        self._worker_threads[worker] = thread
        return worker

    def when_free(self, take: Callable[[], None]) -> None:
        """Call back whenever a worker has made room for the next one; it must not wait."""
        self._takers.append(take)

    def _handle_worker_thread_exited(self, thread: Any, worker_ctx: WorkerContext) -> None:
        super()._handle_worker_thread_exited(thread, worker_ctx)
        for take in self._takers:
            take()

    @cached_property
    def _hooks(self) -> Hooks:
        return Hooks(self.dependencies)

    def _inject_dependencies(self, worker_ctx: WorkerContext) -> None:
        for name, get in self._hooks.injections:
            setattr(worker_ctx.service, name, get(worker_ctx))

    def _worker_setup(self, worker_ctx: WorkerContext) -> None:
        for hook in self._hooks.setup:
            hook(worker_ctx)

    def _worker_result(self, worker_ctx: WorkerContext, result: Any, exc_info: Any) -> None:
        for hook in self._hooks.result:
            hook(worker_ctx, result, exc_info)

    def _worker_teardown(self, worker_ctx: WorkerContext) -> None:
        for hook in self._hooks.teardown:
            hook(worker_ctx)

    def _run_worker(self, worker_ctx: WorkerContext, handle_result: Any) -> None:
        entrypoint = worker_ctx.entrypoint.method_name
        current.begin(
            service=self.service_name,
            entrypoint=entrypoint,
            call_id=worker_ctx.call_id,
            request_id=worker_ctx.data[current.REQUEST_ID],
        )
        if worker_ctx.data.get(DEADLINE, math.inf) <= time.time():
            # It waited for a place among the workers for too long.
            count_late(self.service_name, entrypoint)
            handle_result(worker_ctx, None, too_late("This waited too long; try again."))
            return
        self._inject_dependencies(worker_ctx)
        self._worker_setup(worker_ctx)
        result, exc_info = handle_result(worker_ctx, *work(worker_ctx))
        self._worker_result(worker_ctx, result, exc_info)
        del exc_info  # or its traceback keeps all this until the garbage is collected
        self._worker_teardown(worker_ctx)

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


def _pass_on(worker_ctx: WorkerContext, result: Any, exc_info: Any) -> Any:
    return result, exc_info
