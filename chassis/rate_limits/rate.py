"""A rate: so many in so long; and the counters of one who is measured by it."""

import math
import re
from dataclasses import dataclass

from nameko.exceptions import ConfigurationError

from chassis import config

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)")
OFF = "off"
_HAIR = 1e-4  # or who waits as long as told may come a rounding error too soon; as in lease.lua


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds, under a name that callers see."""

    name: str
    limit: int
    seconds: int

    def window(self, now: float) -> int:
        """Return the number of the window that ``now`` is in."""
        return int(now // self.seconds)

    def weight(self, now: float) -> float:
        """Return how much of the window before still counts."""
        return 1.0 - (now % self.seconds) / self.seconds

    def left(self, used: int, before: int, now: float) -> int:
        """Return how many more are allowed, after ``used`` in this window and ``before`` it."""
        return max(0, math.floor(self.limit - before * self.weight(now) + _HAIR) - used)

    def wait(self, used: int, before: int, now: float) -> float:
        """Return after how many seconds there will be room for one more."""
        elapsed = now % self.seconds
        if used < self.limit:  # as soon as enough of the window before has passed
            passed = 1.0 - (self.limit - 1 - used) / before if before else 0.0
            return max(0.0, passed * self.seconds - elapsed)
        passed = 1.0 - (self.limit - 1) / used
        return self.seconds - elapsed + max(0.0, passed * self.seconds)


def rate(key: str, name: str) -> Rate | None:
    """Return the rate that the configuration names, like ``100/minute``; ``off`` is None."""
    text = config.text(key)
    if text == OFF:
        return None
    match = _RATE.fullmatch(text)
    if not match:
        raise ConfigurationError(
            f"{key} must be {OFF} or a number per {', '.join(_UNITS)}, "
            f"like 100/minute, not {text!r}"
        )
    return Rate(name, int(match[1]), _UNITS[match[2]])
