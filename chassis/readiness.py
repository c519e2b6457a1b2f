"""Is all that a service needs there? Its extensions know, and so does the connection to NATS.

An extension with a ``check()`` method, which raises while its server is away, is asked; it may
name itself for people in ``role``.
"""

import time
from types import SimpleNamespace
from typing import Any

import eventlet
from eventlet.semaphore import Semaphore
from nameko.extensions import SharedExtension

from chassis import nats

CHECK_SECONDS = 1.0
FRESH_SECONDS = 1.0

# Not an extension of any service: the connections are the process's.
_NATS = SimpleNamespace(role="NATS", check=nats.check)


class Readiness(SharedExtension):
    """What a service waits for, asked at most once a second, whoever wants to know."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = Semaphore()
        self._asked = float("-inf")
        self._away: list[str] = []

    def away(self) -> list[str]:
        """Return the roles of what is away; all are asked at the same time."""
        with self._turn:
            if time.monotonic() - self._asked > FRESH_SECONDS:
                self._away = _ask([*self.container.extensions, _NATS])
                self._asked = time.monotonic()
            return self._away


def _ask(extensions: list[Any]) -> list[str]:
    asked = [extension for extension in extensions if hasattr(extension, "check")]
    answers = [eventlet.spawn(_content, extension) for extension in asked]
    return sorted(
        {_role(ext) for ext, answer in zip(asked, answers, strict=True) if not answer.wait()}
    )


def _content(extension: Any) -> bool:
    try:
        with eventlet.Timeout(CHECK_SECONDS):
            extension.check()
    except (Exception, eventlet.Timeout):
        return False
    return True


def _role(extension: Any) -> str:
    names = (getattr(extension, "role", ""), getattr(extension, "attr_name", ""))
    return next((name for name in names if name), type(extension).__name__)
