"""The container: workers end with their deadline, and strangers' context data do no harm."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import eventlet
import pytest
from nameko import config
from nameko.extensions import Entrypoint

from chassis.container import Container
from chassis.errors import Unavailable
from chassis.telemetry import current


class Poke(Entrypoint):
    """Called by nobody but the test."""


class Service:
    """Sleeps."""

    name = "sleeper"
    begun: list[float] = []
    at_work: list[Mapping[str, str]] = []

    @Poke.decorator
    def sleep(self, seconds: float) -> str:
        self.begun.append(seconds)
        self.at_work.append(current.fields())
        eventlet.sleep(seconds)
        return "slept"


@pytest.fixture
def container() -> Iterator[Container]:
    config.update({"STOP_GRACE_SECONDS": 0.3, "max_workers": 1})
    Service.begun.clear()
    container = Container(Service)
    container.start()
    yield container
    container.stop()


def call(container: Container, seconds: float, context: dict[str, Any]) -> Any:
    """Run the worker; return its result, or the error that it ended with."""
    return spawn(container, seconds, context).wait()


def spawn(container: Container, seconds: float, context: dict[str, Any]) -> Any:
    done = eventlet.event.Event()

    def handle(worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        done.send(exc_info[1] if exc_info else result)
        return result, exc_info

    entrypoint = next(iter(container.entrypoints))
    container.spawn_worker(entrypoint, (seconds,), {}, context, handle)
    return done


def test_worker_within_its_deadline_is_left_alone(container: Container) -> None:
    assert call(container, 0, {"deadline": time.time() + 5}) == "slept"


def test_worker_ends_with_its_deadline(container: Container) -> None:
    error = call(container, 60, {"deadline": time.time() + 0.05})
    assert isinstance(error, Unavailable)
    assert error.code == "deadline_passed"


def test_work_for_a_caller_who_has_left_does_not_begin(container: Container) -> None:
    assert isinstance(call(container, 1, {"deadline": time.time() - 1}), Unavailable)
    assert Service.begun == []


def test_work_that_waited_too_long_for_a_worker_does_not_begin(container: Container) -> None:
    first = spawn(container, 0.2, {})
    late = eventlet.spawn(call, container, 7, {"deadline": time.time() + 0.05})
    assert first.wait() == "slept"
    assert isinstance(late.wait(), Unavailable)
    assert Service.begun == [0.2]


@pytest.mark.parametrize(
    "context",
    [
        {"deadline": "soon"},
        {"deadline": True},
        {"deadline": 10**400},
        {"deadline": float("nan")},
        {"deadline": None},
        {"call_id_stack": 5},
        {"call_id_stack": [1, 2]},
        {"call_id_stack": "text"},
        {"request_id": ["r1"]},
        {"request_id": "r1\nforged"},
    ],
)
def test_context_data_of_strangers_do_no_harm(
    container: Container, context: dict[str, Any]
) -> None:
    assert call(container, 0, context) == "slept"


def test_log_lines_of_a_worker_say_whom_it_works_for(container: Container) -> None:
    call(container, 0, {"request_id": "r1", "call_id_stack": ["gateway.add.1"]})
    call(container, 0, {"request_id": "r1\nforged"})
    first, second = Service.at_work[-2:]

    assert (first["service"], first["entrypoint"]) == ("sleeper", "sleep")
    assert first["request_id"] == "r1"
    assert first["call_id"].startswith("sleeper.sleep.")
    assert len(second["request_id"]) == 32


def test_stop_does_not_wait_for_ever(container: Container) -> None:
    spawn(container, 60, {})
    began = time.monotonic()
    container.stop()
    assert time.monotonic() - began < 5


def test_container_that_is_stopped_before_its_start_does_not_start() -> None:
    container = Container(Service)
    container.stop()
    container.start()
    assert not container.started
    container.wait()
