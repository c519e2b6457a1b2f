"""/health/live, /health/ready and /metrics, answered without a worker."""

import json
from http import HTTPStatus
from typing import Any

import eventlet
from nameko.extensions import DependencyProvider
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.wrappers import Response

from chassis import config
from chassis.health.readiness import Readiness
from chassis.health.watch import Watch
from chassis.http.webserver import WebServer
from chassis.http.wsgi import Page
from chassis.telemetry.measurements import Measurements
from chassis.telemetry.metrics import REGISTRY
from chassis.telemetry.workers import Telemetry


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

    def offer_numbers(self) -> None:
        """Count nobody who comes to count."""

    def start(self) -> None:
        """Begin to accept connections, if there is a port."""
        if self.wanted:
            super().start()


class HealthServer(DependencyProvider):
    """Serve the health and metrics pages of a service beside its HTTP entrypoints, if any.

    Ready means that nothing which the service needs is away; see ``chassis.health.readiness``.
    """

    server = WebServer()
    metrics_server = MetricsServer()
    readiness = Readiness()
    measurements = Measurements()
    watch = Watch()

    def setup(self) -> None:
        """Add the pages."""
        self.server.add_page(Page("/health/live", live))
        self.server.add_page(Page("/health/ready", self.ready))
        metrics_server = self.metrics_server if self.metrics_server.wanted else self.server
        metrics_server.add_page(Page("/metrics", self.metrics))

    def ready(self) -> Response:
        """Answer 200, or 503 with the roles of what is away; each dependency is up or away."""
        found = self.readiness.dependencies()
        dependencies = {role: "up" if up else "away" for role, up in found.items()}
        if all(found.values()):
            return _json(HTTPStatus.OK, {"status": "ready", "dependencies": dependencies})
        body = {
            "status": "not ready",
            "waiting_for": [role for role, up in found.items() if not up],
            "dependencies": dependencies,
        }
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, body)

    def metrics(self) -> Response:
        """Answer with every number, those that must be asked for elsewhere asked for now."""
        asking = eventlet.spawn(self.readiness.dependencies)
        self.measurements.refresh()
        asking.wait()
        return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def live() -> Response:
    """Answer 200 for as long as the process runs."""
    return _json(HTTPStatus.OK, {"status": "live"})


def _json(status: HTTPStatus, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body) + "\n", status=status.value, content_type="application/json")


class Health:
    """What each service class inherits: its health pages and its telemetry."""

    health = HealthServer()
    telemetry = Telemetry()
