"""What is counted and said of workers."""

import json
import logging
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import eventlet
import pytest
from greenlet import GreenletExit
from werkzeug.exceptions import NotFound

from chassis import errors
from chassis.telemetry import logs, metrics, workers


def line(record: logging.LogRecord) -> dict[str, Any]:
    return json.loads(logs.JsonFormatter().format(record))


@pytest.mark.parametrize(
    ("exc", "word"),
    [
        (None, "ok"),
        (errors.NotFound("x"), "NotFound"),
        (NotFound(), "refused"),
        (ValueError(), "crash"),
        (GreenletExit(), "interrupted"),
        (eventlet.Timeout(), "interrupted"),
    ],
)
def test_outcome_is_a_word(exc: BaseException | None, word: str) -> None:
    assert workers.outcome(exc) == word


class Worker:
    """What a provider sees of nameko's worker context."""

    call_id = "toy.add.1"
    entrypoint = SimpleNamespace(method_name="add")

    def __init__(self) -> None:
        self.data = {"request_id": "r1"}


def run(service: str, exc: Exception | None) -> None:
    provider = workers.Telemetry()
    pool = SimpleNamespace(running=lambda: 3, size=8)
    provider.container = SimpleNamespace(service_name=service, _worker_pool=pool)
    provider.setup()
    worker = Worker()
    provider.worker_setup(worker)
    provider.worker_result(worker, exc_info=exc and (type(exc), exc, None))


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def test_worker_is_counted_and_timed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    run("toy1", None)

    assert value("worker_results_total", service="toy1", entrypoint="add", outcome="ok") == 1
    assert value("worker_seconds_count", service="toy1", entrypoint="add") == 1
    assert value("workers", service="toy1") == 3
    assert value("workers_max", service="toy1") == 8
    assert not caplog.records


def test_expected_error_is_counted_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    run("toy2", errors.NotFound("x"))

    assert value("worker_results_total", service="toy2", entrypoint="add", outcome="NotFound") == 1
    assert not caplog.records


def test_crash_is_one_log_line_with_its_ids(caplog: pytest.LogCaptureFixture) -> None:
    run("toy3", ValueError("oops"))

    [record] = caplog.records
    found = line(record)
    assert "ValueError: oops" in found["exception"]


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    program = """
import sys
from chassis import calls, health
from chassis.telemetry import tracing
tracing.tracer("toy").begin("name", "server", "", "").end("ok")
sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program]).returncode == 0
