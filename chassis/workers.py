"""What runs a worker: nameko's life cycle, in less of the time of a request.

nameko (3.0.0rc11) asks its configuration for each worker, measures and words lines of log that
nobody reads, and calls every hook of every dependency, of which most do nothing.
"""

import itertools
import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from nameko.constants import DEFAULT_PARENT_CALLS_TRACKED
from nameko.containers import WorkerContext
from nameko.extensions import DependencyProvider

from chassis.errors import Unavailable

DEADLINE = "deadline"

_log = logging.getLogger("nameko.containers")
_ids = itertools.count()
_process = uuid.uuid4().hex
_STACK = DEFAULT_PARENT_CALLS_TRACKED + 1

Outcome = tuple[Any, Any]  # the result, and what sys.exc_info() says of an error


class DeadlinePassed(eventlet.Timeout):
    """Ends a worker at its deadline. Not an Exception: no handler's ``except`` shall keep it."""


class Worker(WorkerContext):
    """nameko's context of a worker, with a call id that is as unique, and cheaper."""

    telemetry: Any = None  # what chassis.telemetry keeps of it while it runs

    def _make_call_id(self) -> str:
        return f"{self.service_name}.{self.entrypoint.method_name}.{_process}-{next(_ids)}"

    def _make_call_id_stack(self) -> list[str]:
        return [*self._parent_call_id_stack, self.call_id][-_STACK:]


class Hooks:
    """What the dependencies of a container do for each worker, without what does nothing."""

    def __init__(self, providers: Iterable[DependencyProvider]) -> None:
        found = list(providers)
        self.injections = [(each.attr_name, each.get_dependency) for each in found]
        self.setup = _own(found, "worker_setup")
        self.result = _own(found, "worker_result")
        self.teardown = _own(found, "worker_teardown")


def _own(providers: list[DependencyProvider], hook: str) -> list[Callable[..., None]]:
    nothing = getattr(DependencyProvider, hook)
    hooks = [getattr(provider, hook) for provider in providers]
    return [each for each in hooks if getattr(each, "__func__", each) is not nothing]


def work(worker: WorkerContext) -> Outcome:
    """Call the service's method, until the worker's deadline at the latest."""
    method = getattr(worker.service, worker.entrypoint.method_name)
    deadline, timeout = worker.data.get(DEADLINE), None
    if deadline is not None:
        timeout = DeadlinePassed(max(0.001, deadline - time.time()))
    try:
        return method(*worker.args, **worker.kwargs), None
    except DeadlinePassed as passed:
        if passed is not timeout:
            raise
        return None, too_late("This took too long; try again.")
    except Exception as error:
        expected = isinstance(error, worker.entrypoint.expected_exceptions)
        level = logging.WARNING if expected else logging.ERROR
        _log.log(level, "error handling worker %s: %s", worker, error, exc_info=True)
        return None, sys.exc_info()
    finally:
        if timeout is not None:
            timeout.cancel()


def too_late(sentence: str) -> Any:
    """Return the error of a worker whose deadline has passed, as ``sys.exc_info`` has it."""
    try:
        raise Unavailable("deadline_passed", sentence)
    except Unavailable:
        return sys.exc_info()
