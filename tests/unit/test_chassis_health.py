"""Readiness: who is asked, what is said, and how often."""

from types import SimpleNamespace
from typing import Any

import eventlet
import pytest

from chassis import health, readiness


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
    server.readiness.container = SimpleNamespace(extensions=extensions)
    server.setup()
    return server


def answer(*extensions: Any) -> tuple[int, dict[str, Any]]:
    response = a_server(*extensions).ready()
    return response.status_code, response.get_json()


def test_nothing_to_ask_is_ready() -> None:
    assert answer(object()) == (200, {"status": "ready"})


def test_all_content_is_ready() -> None:
    assert answer(Extension(), Extension()) == (200, {"status": "ready"})


def test_what_is_away_is_named_by_role_and_not_by_its_error() -> None:
    error = ValueError("postgresql://secret")
    found = answer(
        Extension("database", "links", error), Extension("", "feeds", error), Extension("bus")
    )

    assert found == (503, {"status": "not ready", "waiting_for": ["database", "feeds"]})


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
    response = health.metrics()

    assert response.mimetype == "text/plain"
    assert b"process_resident_memory_bytes" in response.get_data()
