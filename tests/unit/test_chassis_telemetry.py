"""Log lines and numbers."""

import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from chassis import errors, telemetry


def a_record(message: str = "hello", *args: object, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("a.logger", logging.WARNING, "file", 1, message, args, None)
    record.__dict__.update(more)
    return record


def line(record: logging.LogRecord) -> dict[str, Any]:
    text = telemetry.JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_record_is_one_json_line() -> None:
    found = line(a_record("hello %s\n", "world", call_id="c1", created=0.5, request_id=None))

    assert found == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "warning",
        "logger": "a.logger",
        "message": "hello world\n",
        "call_id": "c1",
    }


def test_exception_is_text_without_secrets() -> None:
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        found = line(a_record(exc_info=sys.exc_info()))

    assert "Traceback" in found["exception"]
    assert "hunter2" not in found["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "GET /login/authorized?code=SECRET&state=SECRET HTTP/1.1",
        "/v1.0/links?access_token=SECRET",
        '{"access_token": "SECRET"}',
        "{'access_token': 'SECRET'}",
        "Authorization: Bearer SECRET",
        "Authorization: Basic SECRET==",
        "{'Authorization': 'token SECRET'}",
        "('Access-Token', 'SECRET')",
        "Access-Token: SECRET",
        "Set-Cookie: session=SECRET; Path=/",
        "client_secret=SECRET",
        "postgresql+psycopg2://user:SECRET@host/db",
        "redis://:SECRET@host:6379/0",
        "a token dlk_SECRET here",
        "gho_SECRET",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    assert "SECRET" not in telemetry.redact(text)
    assert "redacted" in telemetry.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "status code: 503",
        "the state of things",
        "http://127.0.0.1:5000/v1.0/links",
        "no_such_link: You have no link with this URL.",
    ],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert telemetry.redact(text) == text


@pytest.mark.parametrize(
    ("exc", "word"),
    [
        (None, "ok"),
        (errors.NotFound("x"), "NotFound"),
        (NotFound(), "refused"),
        (ValueError(), "crash"),
    ],
)
def test_outcome_is_a_word(exc: Exception | None, word: str) -> None:
    assert telemetry.outcome(exc) == word


class Worker:
    """What a provider sees of nameko's worker context."""

    call_id = "toy.add.1"
    entrypoint = SimpleNamespace(method_name="add")

    def __init__(self) -> None:
        self.data = {"request_id": "r1"}


def run(service: str, exc: Exception | None) -> None:
    provider = telemetry.Telemetry()
    pool = SimpleNamespace(running=lambda: 3)
    provider.container = SimpleNamespace(service_name=service, _worker_pool=pool)
    provider.setup()
    worker = Worker()
    provider.worker_setup(worker)
    provider.worker_result(worker, exc_info=exc and (type(exc), exc, None))


def value(name: str, **labels: str) -> float | None:
    return telemetry.REGISTRY.get_sample_value(name, labels)


def test_worker_is_counted_and_timed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    run("toy1", None)

    assert value("service_calls_total", service="toy1", entrypoint="add", outcome="ok") == 1
    assert value("service_call_seconds_count", service="toy1", entrypoint="add") == 1
    assert value("service_workers", service="toy1") == 3
    assert not caplog.records


def test_expected_error_is_counted_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    run("toy2", errors.NotFound("x"))

    assert value("service_calls_total", service="toy2", entrypoint="add", outcome="NotFound") == 1
    assert not caplog.records


def test_crash_is_one_log_line_with_its_ids(caplog: pytest.LogCaptureFixture) -> None:
    run("toy3", ValueError("oops"))

    [record] = caplog.records
    found = line(record)
    assert (found["service"], found["entrypoint"]) == ("toy3", "add")
    assert (found["call_id"], found["request_id"]) == ("toy.add.1", "r1")
    assert "ValueError: oops" in found["exception"]
