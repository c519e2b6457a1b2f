"""What a service says of itself: numbers for each entrypoint, and one JSON log line a crash."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from time import perf_counter
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from eventlet.debug import hub_exceptions
from nameko.extensions import DependencyProvider
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from werkzeug.exceptions import HTTPException

from chassis.errors import ServiceError

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_log = logging.getLogger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_CALLS = Counter(
    "service_calls",
    "Finished workers by entrypoint and outcome: ok, a kind of error, refused, or crash.",
    ("service", "entrypoint", "outcome"),
    registry=REGISTRY,
)
_SECONDS = Histogram(
    "service_call_seconds",
    "How long workers took.",
    ("service", "entrypoint"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10),
    registry=REGISTRY,
)
_WORKERS = Gauge("service_workers", "Workers that run now.", ("service",), registry=REGISTRY)

_REDACTED = "[redacted]"
_SECRETS = (
    # name=value in queries, forms and settings; name: value only where the name says "secret"
    (re.compile(r"(?i)\b((?:code|state|code_verifier)=)[^\s&\"',;}]+"), r"\1"),
    (
        re.compile(
            r"(?i)\b((?:(?:access|refresh|id)_token|client_secret|password|passwd|secret)"
            r"[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;}]+"
        ),
        r"\1",
    ),
    # header: value, to the end of the line or of the quotes
    (
        re.compile(
            r"(?i)\b((?:(?:proxy-)?authorization|(?:set-)?cookie|access-token)"
            r"[\"']?\s*[=:,]\s*[\"']?)[^\"'\r\n]+"
        ),
        r"\1",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[^\s\"',;]+"), r"\1"),
    # the password of a URL
    (re.compile(r"(://[^\s:/@]*:)[^\s@]+(?=@)"), r"\1"),
    # our tokens and GitHub's, wherever they stand
    (re.compile(r"\b(dlk_|gh[opsur]_)[A-Za-z0-9_-]+"), r"\1"),
)
_EXTRAS = ("service", "entrypoint", "call_id", "request_id")


def redact(text: str) -> str:
    """Return ``text`` without the values of tokens, codes, passwords and credentials."""
    for pattern, keep in _SECRETS:
        text = pattern.sub(keep + _REDACTED, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and who was at work."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, secrets taken out."""
        line = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for name in _EXTRAS:
            value = getattr(record, name, None)
            if value:
                line[name] = str(value)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = redact("".join(traceback.format_exception(record.exc_info[1])))
        return json.dumps(line, ensure_ascii=False)


def _rfc3339(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def outcome(exc: BaseException | None) -> str:
    """Return the word that counts a worker's end: ok, a kind of error, refused, or crash."""
    if exc is None:
        return "ok"
    if isinstance(exc, ServiceError):
        return type(exc).__name__
    if isinstance(exc, HTTPException):
        return "refused"
    return "crash"


class Telemetry(DependencyProvider):
    """Count and time each worker, and log the ones that crash."""

    def bind(self, container: Any, attr_name: str) -> Any:
        """Keep eventlet from printing tracebacks, which would go past formatter and redaction.

        Done here because it is before ``setup()``: a bad configuration then is one line.
        """
        hub_exceptions(False)
        return super().bind(container, attr_name)

    def setup(self) -> None:
        """Offer the number of workers that run."""
        self.service = self.container.service_name
        self.begun: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        pool = self.container._worker_pool
        _WORKERS.labels(self.service).set_function(pool.running)

    def worker_setup(self, worker_ctx: Any) -> None:
        """Start the clock."""
        self.begun[worker_ctx] = perf_counter()

    def worker_result(
        self, worker_ctx: Any, result: Any = None, exc_info: ExcInfo | None = None
    ) -> None:
        """Count the outcome; log a crash with its traceback and call id."""
        entrypoint = worker_ctx.entrypoint.method_name
        end = outcome(exc_info and exc_info[1])
        _CALLS.labels(self.service, entrypoint, end).inc()
        begun = self.begun.pop(worker_ctx, None)
        if begun is not None:
            _SECONDS.labels(self.service, entrypoint).observe(perf_counter() - begun)
        if end == "crash":
            _log.error(
                "worker crashed",
                exc_info=exc_info,
                extra={
                    "service": self.service,
                    "entrypoint": entrypoint,
                    "call_id": worker_ctx.call_id,
                    "request_id": worker_ctx.data.get("request_id"),
                },
            )
