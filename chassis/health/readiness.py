"""Is all that a service needs there? Its extensions know, and so does the connection to NATS.

An extension with a ``check()`` method, which raises while its server is away, is asked; it may
name itself for people in ``role``, and know more of what is missing by an ``outage`` of its own
(``None``: it says all that there is to say).
"""

import time
from types import SimpleNamespace
from typing import Any

import eventlet
from eventlet.semaphore import Semaphore
from nameko.extensions import SharedExtension

from chassis import nats
from chassis.outage import Outage
from chassis.telemetry import metrics

CHECK_SECONDS = 1.0
FRESH_SECONDS = 1.0
# While something is away: at a start, every part waits for the one that is ready last.
FRESH_AWAY_SECONDS = 0.2

# Not an extension of any service: the connections are the process's.
_NATS = SimpleNamespace(role="NATS", check=nats.check, outage=None)

_READY = metrics.gauge("ready", "Whether the service can serve: 1 or 0.")
_UP = metrics.gauge(
    "dependency_up", "Whether a dependency answers as it must: 1 or 0.", "dependency"
)


class Readiness(SharedExtension):
    """What a service waits for; asked once a second at most, more often while something is away."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = Semaphore()
        self._asked = float("-inf")
        self._found: dict[str, bool] = {}

    def away(self) -> list[str]:
        """Return the roles of what is away."""
        return [role for role, up in self.dependencies().items() if not up]

    def dependencies(self) -> dict[str, bool]:
        """Return for each role whether it is up; all are asked at the same time."""
        with self._turn:
            fresh = FRESH_SECONDS if all(self._found.values()) else FRESH_AWAY_SECONDS
            if time.monotonic() - self._asked > fresh:
                self._found = _ask([*self.container.extensions, _NATS])
                self._asked = time.monotonic()
                self._count()
            return self._found

    def _count(self) -> None:
        service = self.container.service_name
        _READY.labels(service).set(all(self._found.values()))
        for role, up in self._found.items():
            _UP.labels(service, role).set(up)


def _ask(extensions: list[Any]) -> dict[str, bool]:
    asked = [extension for extension in extensions if hasattr(extension, "check")]
    answers = [eventlet.spawn(_content, extension) for extension in asked]
    found: dict[str, bool] = {}
    for extension, answer in zip(asked, answers, strict=True):
        role = _role(extension)
        found[role] = bool(answer.wait()) and found.get(role, True)
    return dict(sorted(found.items()))


def _content(extension: Any) -> bool:
    outage = _outage(extension)
    try:
        with eventlet.Timeout(CHECK_SECONDS):
            extension.check()
    except (Exception, eventlet.Timeout) as error:
        silent = isinstance(error, eventlet.Timeout)
        if outage:
            outage.begin(f"no answer in {CHECK_SECONDS:g} s" if silent else str(error))
        return False
    if outage:
        outage.end()
    return True


def _outage(extension: Any) -> Outage | None:
    if not hasattr(extension, "outage"):
        extension.outage = Outage(_role(extension))
    outage: Outage | None = extension.outage
    return outage


def _role(extension: Any) -> str:
    names = (getattr(extension, "role", ""), getattr(extension, "attr_name", ""))
    return next((name for name in names if name), type(extension).__name__)
