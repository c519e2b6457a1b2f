"""What stands between strangers and a service: on the way in, and on the way out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from werkzeug.wrappers import Response

from chassis.http.cors import Cors
from chassis.http.proxies import Proxies

# What every answer says unless it says otherwise itself, as pages do.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard(Protocol):
    """Whoever lets requests pass; health and metrics pages need no leave."""

    def admit(self, request: Any) -> Response | None:
        """Return a refusal, or None to let it pass."""

    def answered(self, request: Any, response: Response) -> None:
        """Hear what came of a request that passed; may add headers."""


@dataclass(frozen=True)
class Door:
    """How a service receives strangers."""

    proxies: Proxies = field(default_factory=Proxies)
    cors: Cors = field(default_factory=Cors)
    guard: Guard | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)
