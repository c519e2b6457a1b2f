"""Which websites' scripts may read our answers (CORS): none, unless the configuration names them.

Credentials are never allowed: no cookie signs anybody in, and a script that has an access token
sends it in a header.
"""

import re

from nameko.exceptions import ConfigurationError
from werkzeug.wrappers import Request, Response

from chassis import config

ANY = "*"
MAX_AGE_SECONDS = 600
SENT = (
    "Access-Token, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "Traceparent, X-Request-ID"
)
READ = (
    "Content-Disposition, ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, "
    "Retry-After, WWW-Authenticate, X-Request-ID"
)
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?")


class Cors:
    """The origins that are allowed."""

    def __init__(self, origins: frozenset[str] = frozenset()) -> None:
        self._origins = origins

    def __bool__(self) -> bool:
        return bool(self._origins)

    def admit(self, request: Request, response: Response) -> None:
        """Let the script that asked read the answer, if its origin is allowed."""
        if ANY in self._origins:
            response.headers["Access-Control-Allow-Origin"] = ANY
        else:
            response.vary.add("Origin")
            origin = request.headers.get("Origin")
            if origin not in self._origins:
                return
            response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = READ
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
            response.headers["Access-Control-Allow-Headers"] = SENT
            response.headers["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)


def from_config(key: str) -> Cors:
    """Return the origins that the configuration names, with commas between them."""
    origins = str(config.optional(key, "")).replace(",", " ").split()
    for origin in origins:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(f"{key} must be {ANY} or like https://example.org: {origin!r}")
    return Cors(frozenset(origin.lower() for origin in origins))
