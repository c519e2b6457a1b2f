"""Log lines."""

import contextvars
import io
import json
import logging
import sys
from typing import Any

import eventlet
import pytest

from chassis.telemetry import current, logs


def a_record(message: str = "hello", *args: object, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("a.logger", logging.WARNING, "file", 1, message, args, None)
    record.__dict__.update(more)
    return record


def line(record: logging.LogRecord) -> dict[str, Any]:
    text = logs.JsonFormatter().format(record)
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


def test_record_of_a_worker_says_whom_it_works_for() -> None:
    def work() -> dict[str, Any]:
        current.begin(service="toy", entrypoint="add", call_id="", request_id="r1")
        return line(a_record())

    found = contextvars.copy_context().run(work)
    assert (found["service"], found["entrypoint"], found["request_id"]) == ("toy", "add", "r1")
    assert "call_id" not in found


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
        "GET /v1.0/links?tag=SECRET HTTP/1.1",
        "GET https://api.github.com/user?SECRET",
        "HTTPConnectionPool(host='x'): Max retries exceeded with url: /user?q=SECRET (Caused",
        "somebody.SECRET+x@example.org",
        'who <"SECRET@mail.example.co.uk">',
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    assert "SECRET" not in logs.redact(text)
    assert "redacted" in logs.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "status code: 503",
        "the state of things",
        "http://127.0.0.1:5000/v1.0/links",
        "no_such_link: You have no link with this URL.",
        "what now? who knows / where?",
        "user@host",
    ],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert logs.redact(text) == text


def a_handler() -> tuple[logs.LineHandler, io.StringIO]:
    handler = logs.LineHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler, handler.stream


def test_line_that_can_wait_is_written_a_moment_later() -> None:
    handler, stream = a_handler()
    handler.emit(a_record("one", can_wait=True))
    handler.emit(a_record("two", can_wait=True))
    assert stream.getvalue() == ""

    with eventlet.Timeout(10):
        while not stream.getvalue():
            eventlet.sleep(0.01)
    assert stream.getvalue() == "one\ntwo\n"


def test_line_that_cannot_wait_comes_after_those_before_it() -> None:
    handler, stream = a_handler()
    handler.emit(a_record("one", can_wait=True))
    handler.emit(a_record("two"))

    assert stream.getvalue() == "one\ntwo\n"


def test_only_so_many_lines_wait() -> None:
    handler, stream = a_handler()
    for number in range(logs.MOST_WAITING):
        handler.emit(a_record(str(number), can_wait=True))

    assert stream.getvalue().splitlines() == [str(n) for n in range(logs.MOST_WAITING)]


def test_nothing_that_waits_is_lost_at_the_end() -> None:
    handler, stream = a_handler()
    handler.emit(a_record("one", can_wait=True))
    logging.shutdown([lambda: handler])  # as when the interpreter ends

    assert stream.getvalue() == "one\n"
