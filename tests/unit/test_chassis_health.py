"""Readiness: who is asked, what is said, and how often."""

from types import SimpleNamespace
from typing import Any

import eventlet
import pytest

from chassis import health, nats
from chassis.health import readiness
from chassis.telemetry import measurements, metrics


@pytest.fixture(autouse=True)
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget those that other tests have made in this process."""
    monkeypatch.setattr(nats, "_clients", {})


class Extension:
    """Anything with a check."""

    def __init__(self, role: str = "", attr_name: str = "", error: Any = None) -> None:
        self.asked = 0
        self.error = error
        if role:
            self.role = role
        if attr_name:
            self.attr_name = attr_name

    def check(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error


class Hanging(Extension):
    """A check that does not come back by itself."""

    def check(self) -> None:
        eventlet.sleep(30)


def a_server(*extensions: Any) -> health.HealthServer:
    server = health.HealthServer()
    server.readiness = readiness.Readiness()
    server.server = server.metrics_server = SimpleNamespace(add_page=lambda page: None, wanted=True)
    container = SimpleNamespace(extensions=extensions, service_name="toy")
    server.measurements = measurements.Measurements()
    server.readiness.container = server.measurements.container = container
    server.setup()
    return server


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, {"service": "toy", **labels})


def answer(*extensions: Any) -> tuple[int, dict[str, Any]]:
    response = a_server(*extensions).ready()
    return response.status_code, response.get_json()


def test_nothing_to_ask_is_ready() -> None:
    assert answer(object()) == (200, {"status": "ready", "dependencies": {"NATS": "up"}})


def test_all_content_is_ready_and_each_is_named() -> None:
    dependencies = {"NATS": "up", "database": "up", "feeds": "up"}
    found = answer(Extension("database"), Extension(attr_name="feeds"))

    assert found == (200, {"status": "ready", "dependencies": dependencies})
    assert value("ready") == 1
    assert value("dependency_up", dependency="feeds") == 1


def test_what_is_away_is_named_by_role_and_not_by_its_error() -> None:
    error = ValueError("postgresql://secret")
    found = answer(
        Extension("database", "links", error), Extension("", "feeds", error), Extension("bus")
    )

    assert found == (
        503,
        {
            "status": "not ready",
            "waiting_for": ["database", "feeds"],
            "dependencies": {"NATS": "up", "bus": "up", "database": "away", "feeds": "away"},
        },
    )
    assert value("ready") == 0
    assert value("dependency_up", dependency="bus") == 1
    assert value("dependency_up", dependency="feeds") == 0


def test_role_that_two_have_is_up_when_both_are() -> None:
    away = Extension("database", error=ValueError())

    assert answer(away, Extension("database"))[1]["waiting_for"] == ["database"]
    assert answer(Extension("database"), away)[1]["waiting_for"] == ["database"]


def test_nameless_extension_is_named_by_its_class() -> None:
    assert answer(Extension(error=ValueError()))[1]["waiting_for"] == ["Extension"]


def test_check_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.01)

    assert answer(Hanging("bus"), Hanging("database"))[1]["waiting_for"] == ["bus", "database"]


def test_answer_is_kept_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    extension = Extension("database")
    server = a_server(extension)
    for _ in range(3):
        server.ready()
    assert extension.asked == 1

    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)
    server.ready()
    assert extension.asked == 2


def test_live_asks_nobody() -> None:
    assert health.live().get_json() == {"status": "live"}


def test_metrics_are_prometheus_text() -> None:
    response = a_server().metrics()

    assert response.mimetype == "text/plain"
    assert b"process_resident_memory_bytes" in response.get_data()


class Measured(Extension):
    """Anything with a measure."""

    def __init__(self, error: Any = None) -> None:
        super().__init__(error=error)
        self.measured = measurements.Measurement()

    def check(self) -> None:
        """Be there."""

    def measure(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error
        self.measured.take(7)


def test_what_is_measured_is_measured_once_in_some_seconds() -> None:
    extension = Measured()
    server = a_server(extension, object())
    for _ in range(3):
        server.metrics()

    assert extension.asked == 1
    assert extension.measured.read() == 7


def test_measuring_that_fails_costs_the_other_numbers_nothing() -> None:
    failing, good = Measured(ValueError()), Measured()
    a_server(failing, good).metrics()

    assert failing.measured.read() is None
    assert good.measured.read() == 7


def test_measurement_that_is_old_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = measurements.Measurement()
    measured.take(7)
    monkeypatch.setattr(measurements, "FRESH_SECONDS", -2)

    assert measured.read() is None
