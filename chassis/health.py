"""/health/live, /health/ready and /metrics, answered without a worker."""

import json
import time
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import eventlet
from eventlet.semaphore import Semaphore
from nameko.extensions import DependencyProvider
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.wrappers import Response

from chassis import config, nats
from chassis.telemetry import REGISTRY, Telemetry
from chassis.webserver import WebServer
from chassis.wsgi import Page

CHECK_SECONDS = 1.0
CACHE_SECONDS = 1.0


# Not an extension of any service: the connections are the process's.
_NATS = SimpleNamespace(role="NATS", check=nats.check)


class MetricsServer(WebServer):
    """A port for metrics alone, for services that METRICS_PORTS names."""

    port_key = "METRICS_PORTS"

    @property
    def wanted(self) -> bool:
        """Whether this service has such a port."""
        return config.optional(f"METRICS_PORTS.{self.container.service_name}") is not None

    def setup(self) -> None:
        """Take the port, if there is one."""
        if self.wanted:
            super().setup()

    def start(self) -> None:
        """Begin to accept connections, if there is a port."""
        if self.wanted:
            super().start()


class HealthServer(DependencyProvider):
    """Serve the health and metrics pages of a service beside its HTTP entrypoints, if any.

    Ready means that every extension with a ``check()`` method, which raises while its server is
    away, is content. Such an extension may name itself for people in ``role``.
    """

    server = WebServer()
    metrics_server = MetricsServer()

    def setup(self) -> None:
        """Add the pages."""
        self._asked = float("-inf")
        self._waiting_for: list[str] = []
        self._turn = Semaphore()
        self.server.add_page(Page("/health/live", live))
        self.server.add_page(Page("/health/ready", self.ready))
        metrics_server = self.metrics_server if self.metrics_server.wanted else self.server
        metrics_server.add_page(Page("/metrics", metrics))

    def ready(self) -> Response:
        """Answer 200, or 503 with the roles of what is away."""
        with self._turn:
            if time.monotonic() - self._asked > CACHE_SECONDS:
                self._waiting_for = self._ask()
                self._asked = time.monotonic()
        if self._waiting_for:
            body = {"status": "not ready", "waiting_for": self._waiting_for}
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, body)
        return _json(HTTPStatus.OK, {"status": "ready"})

    def _ask(self) -> list[str]:
        """Ask all extensions at once; return the roles of those that are not content."""
        asked = [ext for ext in self.container.extensions if hasattr(ext, "check")]
        asked.append(_NATS)
        answers = [eventlet.spawn(_content, extension) for extension in asked]
        away = [ext for ext, answer in zip(asked, answers, strict=True) if not answer.wait()]
        return sorted({_role(extension) for extension in away})


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


def live() -> Response:
    """Answer 200 for as long as the process runs."""
    return _json(HTTPStatus.OK, {"status": "live"})


def metrics() -> Response:
    """Answer with every number, as Prometheus reads them."""
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _json(status: HTTPStatus, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), status=status.value, content_type="application/json")


class Health:
    """What each service class inherits: its health pages and its telemetry."""

    health = HealthServer()
    telemetry = Telemetry()
