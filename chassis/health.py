"""/health/live, /health/ready and /metrics, answered without a worker."""

import json
from http import HTTPStatus
from typing import Any

from nameko.extensions import DependencyProvider
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.wrappers import Response

from chassis import config
from chassis.readiness import Readiness
from chassis.telemetry import REGISTRY, Telemetry
from chassis.webserver import WebServer
from chassis.wsgi import Page


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

    Ready means that nothing which the service needs is away; see ``chassis.readiness``.
    """

    server = WebServer()
    metrics_server = MetricsServer()
    readiness = Readiness()

    def setup(self) -> None:
        """Add the pages."""
        self.server.add_page(Page("/health/live", live))
        self.server.add_page(Page("/health/ready", self.ready))
        metrics_server = self.metrics_server if self.metrics_server.wanted else self.server
        metrics_server.add_page(Page("/metrics", metrics))

    def ready(self) -> Response:
        """Answer 200, or 503 with the roles of what is away."""
        if waiting_for := self.readiness.away():
            body = {"status": "not ready", "waiting_for": waiting_for}
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, body)
        return _json(HTTPStatus.OK, {"status": "ready"})


def live() -> Response:
    """Answer 200 for as long as the process runs."""
    return _json(HTTPStatus.OK, {"status": "live"})


def metrics() -> Response:
    """Answer with every number, as Prometheus reads them."""
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _json(status: HTTPStatus, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body) + "\n", status=status.value, content_type="application/json")


class Health:
    """What each service class inherits: its health pages and its telemetry."""

    health = HealthServer()
    telemetry = Telemetry()
