"""May this request pass? Answered from what this process has leave for, if it can be."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.rate_limits.leases import Ask, Grant, Leases
from chassis.rate_limits.rate import Rate

MOST_PEOPLE = 20_000
Measured = tuple[Rate, str]  # by which rate, and who


@dataclass
class Lease:
    """What this process may still let through for somebody in one window."""

    rate: Rate
    window: int
    left: int = 0
    used: int = 0
    before: int = 0
    wait_until: float = float("-inf")

    def remaining(self, now: float) -> int:
        """Return how many more requests are allowed, as far as this process knows."""
        return self.left + self.rate.left(self.used, self.before, now)

    def needs_more(self, now: float) -> bool:
        """Tell whether to ask, and not only to refuse."""
        return self.left == 0 and now >= self.wait_until

    def is_refused(self, now: float) -> bool:
        """Tell whether it is known that nothing is left."""
        return self.left == 0 and now < self.wait_until

    def take_in(self, grant: Grant, now: float) -> None:
        """Add what was granted, or find out how long to wait."""
        self.left += grant.granted
        self.used, self.before = max(self.used, grant.used), grant.before
        if not self.left:
            self.wait_until = now + self.rate.wait(self.used, self.before, now)


@dataclass(frozen=True)
class Verdict:
    """What became of a request, by the rate that is nearest to its end, or that refuses it."""

    rate: Rate
    remaining: int
    wait: float
    admitted: bool

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-10, and when to come again."""
        rate, wait = self.rate, math.ceil(self.wait)
        headers = {
            "RateLimit-Policy": f'"{rate.name}";q={rate.limit};w={rate.seconds}',
            "RateLimit": f'"{rate.name}";r={self.remaining};t={wait}',
        }
        return headers if self.admitted else headers | {"Retry-After": str(max(1, wait))}


class RateLimiter:
    """Measure everybody, as ``leases`` counts them."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._held: dict[tuple[str, str], Lease] = {}

    def admit(self, measured: Sequence[Measured], now: float) -> Verdict | None:
        """Let a request pass that all these rates allow, and count it; None: nobody measures it.

        What is refused is not counted, so that it does not take longer to come back.
        """
        if not measured:
            return None
        held = [self._lease(rate, who, now) for rate, who in measured]
        short = [index for index, lease in enumerate(held) if lease.needs_more(now)]
        if short and not any(lease.is_refused(now) for lease in held):
            grants = self._leases.grant([Ask(*measured[index], now) for index in short])
            for index, grant in zip(short, grants, strict=True):
                held[index].take_in(grant, now)
        empty = [lease for lease in held if not lease.left]
        if empty:
            longest = max(empty, key=lambda lease: lease.wait_until)
            return Verdict(longest.rate, 0, longest.wait_until - now, admitted=False)
        for lease in held:
            lease.left -= 1
        return min((_passed(lease, now) for lease in held), key=_nearness)

    def refused(self, rate: Rate, who: str, now: float) -> Verdict | None:
        """Return the refusal of somebody who is known to be at the end; counts nothing."""
        lease = self._held.get((rate.name, who))
        if lease is None or not lease.is_refused(now):
            return None
        return Verdict(rate, 0, lease.wait_until - now, admitted=False)

    def _lease(self, rate: Rate, who: str, now: float) -> Lease:
        key, window = (rate.name, who), rate.window(now)
        lease = self._held.get(key)
        if lease is not None and lease.window >= window:
            return lease
        wait_until = lease.wait_until if lease is not None else float("-inf")
        self._held.pop(key, None)
        while len(self._held) >= MOST_PEOPLE:  # the one that was made longest ago
            del self._held[next(iter(self._held))]
        lease = self._held[key] = Lease(rate, window, wait_until=wait_until)
        return lease


def _passed(lease: Lease, now: float) -> Verdict:
    rate = lease.rate
    return Verdict(rate, lease.remaining(now), rate.seconds - now % rate.seconds, admitted=True)


def _nearness(verdict: Verdict) -> float:
    return verdict.remaining / verdict.rate.limit
