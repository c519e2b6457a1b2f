"""What comes of the requests to a web server: numbers, and a line of log for each."""

import logging
from collections.abc import Collection
from http import HTTPMethod

from werkzeug.wrappers import Response

from chassis.telemetry import metrics

_log = logging.getLogger("access")

UNMATCHED = "unmatched"  # the route of a request that leads nowhere
OTHER = "other"  # the method of one that HTTP does not know
_METHODS = frozenset(HTTPMethod)

_REQUESTS = metrics.counter(
    "http_requests", "HTTP requests by method, route and status.", "method", "route", "status"
)
_SECONDS = metrics.histogram(
    "http_request_seconds", "How long the answers to HTTP requests took.", "method", "route"
)
_PROBLEMS = metrics.counter(
    "problems", "HTTP answers that told of a problem, by its code.", "code", "status"
)


class Traffic:
    """The requests to one service; all but those to ``quiet`` routes are logged, if wanted."""

    def __init__(self, service: str, logs: bool, quiet: Collection[str] = ()) -> None:
        self.service = service
        self._logs = logs
        self._quiet = quiet

    def answered(
        self, method: str, route: str, response: Response, seconds: float | None = None
    ) -> None:
        """Count and log an answer, and time it if anything was done for it."""
        method = method if method in _METHODS else OTHER
        status = str(response.status_code)
        metrics.series(_REQUESTS, self.service, method, route, status).inc()
        if seconds is not None:
            metrics.series(_SECONDS, self.service, method, route).observe(seconds)
        if code := getattr(response, "problem", ""):
            metrics.series(_PROBLEMS, self.service, code, status).inc()
        if self._logs and route not in self._quiet and _log.isEnabledFor(logging.INFO):
            facts = {
                "method": method,
                "route": route,
                "status": response.status_code,
                "milliseconds": round(1000 * (seconds or 0), 1),
                "can_wait": True,
            }
            # Made here, so that nobody looks for the line of code that asked for it.
            record = logging.LogRecord(_log.name, logging.INFO, "", 0, "answered", None, None)
            record.__dict__.update(facts)
            _log.handle(record)
