"""What a service says: JSON lines without secrets."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from eventlet.hubs import get_hub

from chassis.telemetry import current

WAIT_SECONDS = 0.2
MOST_WAITING = 64
# Each record would look them up, and no line of ours has them.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

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
    # what somebody asked for
    (re.compile(r"((?:https?://|(?<![\w?])/)[^\s?\"']*\?)[^\s\"']+"), r"\1"),
    # e-mail addresses
    (re.compile(r"()\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), r"\1"),
    # our tokens and GitHub's, wherever they stand
    (re.compile(r"\b(dlk_|gh[opsur]_)[A-Za-z0-9_-]+"), r"\1"),
)
_encode = json.JSONEncoder(ensure_ascii=False).encode
_EXTRAS = ("service", "entrypoint", "call_id", "request_id")
_FACTS = ("method", "route", "status", "milliseconds")


def redact(text: str) -> str:
    """Return ``text`` without the values of tokens, codes, passwords and credentials."""
    if text.isalpha():  # one word, as of each line of the access log: not worth eight searches
        return text
    for pattern, keep in _SECRETS:
        text = pattern.sub(keep + _REDACTED, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and who was at work."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, secrets taken out."""
        line: dict[str, Any] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        at_work = current.fields()
        for name in _EXTRAS:
            if value := getattr(record, name, None) or at_work.get(name):
                line[name] = str(value)
        for name in _FACTS:
            if (value := getattr(record, name, None)) is not None:
                line[name] = value
        for name, value in getattr(record, "facts", {}).items():
            line[name] = redact(str(value))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = redact("".join(traceback.format_exception(record.exc_info[1])))
        try:
            return orjson.dumps(line).decode()
        except TypeError:  # half a character, or a number that is too long for it
            return _encode(line)


class LineHandler(logging.StreamHandler[Any]):
    """Write each line at once, but those that can wait together, a moment later.

    A line that says ``can_wait`` costs its request no system call, and whoever reads the lines is
    not woken for it. What comes after it does not overtake it. It is lost if the process is killed
    within ``WAIT_SECONDS``.
    """

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream)
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or keep it for a moment."""
        try:
            if getattr(record, "can_wait", False):
                self._keep(self.format(record) + self.terminator)
            else:
                self._write()
                super().emit(record)
        except Exception:
            self.handleError(record)

    def _keep(self, line: str) -> None:
        self._waiting.append(line)
        if len(self._waiting) == 1:
            get_hub().schedule_call_global(WAIT_SECONDS, self.flush)
        elif len(self._waiting) >= MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._write()
        super().flush()

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        if lines:
            self.stream.write("".join(lines))


def _rfc3339(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int(1000 * (seconds - whole)):03}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
