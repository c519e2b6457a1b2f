"""Who in the system wants which port, and whether it can be had."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from embedded.errors import CannotStart
from embedded.ports import LOOPBACK, obstacle
from embedded.settings import Settings

LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Claim:
    """A port that a part of the system wants."""

    who: str
    host: str
    port: int
    key: str


def of_services(settings: Settings) -> list[Claim]:
    """Return what the five services want."""
    host = str(settings.get("BIND_HOST"))
    wanted = [(name, f"HTTP_PORTS.{name}", host) for name in settings.get("HTTP_PORTS")]
    wanted += [
        (f"{name}'s metrics", f"METRICS_PORTS.{name}", host)
        for name in settings.get("METRICS_PORTS")
    ]
    wanted.append(("news_svc's gRPC", "GRPC_BIND_PORT", host))
    if not settings.get("OAUTH_CLIENT_ID"):
        key = "DEV_IDENTITY_PROVIDER_PORT"
        wanted.append(("the development identity provider", key, LOOPBACK))
    return [Claim(who, where, settings.port(key), key) for who, key, where in wanted]


def check(claims: Iterable[Claim], settings: Settings) -> None:
    """Raise CannotStart for the first port that is in use, or wanted twice."""
    taken: dict[int, Claim] = {}
    deadline = time.monotonic() + LINGER_SECONDS
    for claim in claims:
        if other := taken.get(claim.port):
            advice = settings.how_to_change(claim.key)
            raise CannotStart(f"{claim.who} and {other.who} both want port {claim.port}: {advice}")
        taken[claim.port] = claim
        # What a system that was killed just now has left behind is about to end.
        while why := obstacle(claim.host, claim.port):
            if time.monotonic() > deadline:
                advice = settings.how_to_change(claim.key)
                raise CannotStart(
                    f"port {claim.port} {why}, and {claim.who} wants it: stop the program that "
                    f"has it, or {advice} to another port"
                )
            time.sleep(0.05)
