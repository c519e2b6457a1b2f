"""The gateway's door: who may come how often, from which websites, and through which proxies."""

import hashlib
import time
from typing import Any

from nameko.extensions import DependencyProvider
from werkzeug.wrappers import Response

from chassis import errors
from chassis.http import cors, door, problems, proxies
from chassis.http.webserver import WebServer
from chassis.http.wsgi import Request
from chassis.rate_limits.leases import SharedLeases
from chassis.rate_limits.limiter import Measured, RateLimiter, Verdict
from chassis.rate_limits.rate import Rate, rate
from chassis.telemetry import metrics
from gateway import addresses, auth

MOST_TOKENS = 10_000
HSTS = "max-age=31536000"
_SIGN_IN_PATHS = ("/login", "/login/authorized")
_VERDICT = "gateway.verdict"
_TOKEN = "gateway.token"  # noqa: S105 - where a request keeps what stands for its token

_REFUSED = metrics.counter(
    "rate_limited", "Requests that came too often, by the limit that refused them.", "limit"
)


class Limits:
    """Measure requests by token and address, sign-ins and tokens that are none by address."""

    def __init__(self, service: str, limiter: RateLimiter, **rates: Rate | None) -> None:
        self._service = service
        self._limiter = limiter
        self._rates = rates
        for name in rates:  # a number that is not there yet is taken for one that is missing
            _REFUSED.labels(service, name.replace("_", "-"))
        # One broken script must not shut out its neighbours: whose token was good may go on.
        self._good: dict[bytes, None] = {}

    def admit(self, request: Request) -> Response | None:
        """Return 429 to whoever comes too often."""
        now, address, token = time.time(), proxies.network(request.client), _token(request)
        request.environ[_TOKEN] = token
        verdict = None
        failures = self._rates["failures"]
        if failures and token and token not in self._good:
            verdict = self._limiter.refused(failures, address, now)
        if verdict is None:
            verdict = self._limiter.admit(self._measured(request, address, token), now)
        if verdict is None or verdict.admitted:
            request.environ[_VERDICT] = verdict
            return None
        return self._refusal(verdict)

    def answered(self, request: Request, response: Response) -> None:
        """Tell how much is left; count a token that is none."""
        if verdict := request.environ[_VERDICT]:
            for name, text in verdict.headers().items():
                response.headers.add(name, text)
        token = request.environ[_TOKEN]
        if not token:
            return
        if auth.CALLER in request.environ:
            self._remember(token)
        elif response.status_code == 401:
            self._good.pop(token, None)
            if failures := self._rates["failures"]:
                self._limiter.admit([(failures, proxies.network(request.client))], time.time())

    def _measured(self, request: Request, address: str, token: bytes) -> list[Measured]:
        found = [(self._rates["address"], address)]
        if request.path.rstrip("/") in _SIGN_IN_PATHS:
            found.append((self._rates["sign_in"], address))
        if token:
            found.append((self._rates["token"], token.hex()))
        return [(each, who) for each, who in found if each]

    def _refusal(self, verdict: Verdict) -> Response:
        metrics.series(_REFUSED, self._service, verdict.rate.name).inc()
        response = problems.too_many_requests()
        response.headers.update(verdict.headers())
        return response

    def _remember(self, token: bytes) -> None:
        self._good.pop(token, None)
        while len(self._good) >= MOST_TOKENS:
            del self._good[next(iter(self._good))]
        self._good[token] = None


class Door(DependencyProvider):
    """Hang the door into the gateway's web server, as the configuration has it."""

    server = WebServer()

    def setup(self) -> None:
        """Read the configuration; raise ConfigurationError."""
        headers = dict(door.HEADERS)
        if addresses.public_url().startswith("https:"):
            headers["Strict-Transport-Security"] = HSTS
        service = self.container.service_name
        limiter = RateLimiter(SharedLeases("RATE_LIMIT_REDIS_URL", service))
        self.server.door = door.Door(
            proxies=proxies.from_config("TRUSTED_PROXIES", "TRUSTED_PROXIES_HEADER"),
            cors=cors.from_config("CORS_ORIGINS"),
            guard=Limits(
                service,
                limiter,
                token=rate("RATE_LIMIT_TOKEN", "token"),
                address=rate("RATE_LIMIT_ADDRESS", "address"),
                sign_in=rate("RATE_LIMIT_SIGN_IN", "sign-in"),
                failures=rate("RATE_LIMIT_FAILURES", "failures"),
            ),
            headers=headers,
        )

    def get_dependency(self, worker_ctx: Any) -> None:
        """Workers need nothing of it: whoever comes to them was let in."""


def _token(request: Request) -> bytes:
    """Return what stands for the request's token, or nothing; a malformed one stands for itself."""
    if auth.is_anonymous(request):
        return b""
    try:
        given = auth.token(request)
    except errors.Unauthenticated:
        given = ""
    return hashlib.sha256(given.encode()).digest()[:16]
