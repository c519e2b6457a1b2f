"""Who counts: Valkey for all processes together, or one process for itself.

A lease is a thirty-second part of what is left, and at least one while anything is: long while
there is much, so that asking is rare, and short near the limit, so that processes share it fairly.
A window is counted from a fixed hour; of the window before counts what the last ``seconds`` still
hold, as if its requests had been spread evenly (a sliding window counter).
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from nameko.exceptions import ConfigurationError
from redis.exceptions import RedisError

from chassis import backoff, config, redis
from chassis.rate_limits.rate import Rate
from chassis.telemetry import metrics

_log = logging.getLogger(__name__)

SHARE = 32  # as in lease.lua
MOST_COUNTERS = 20_000
# A request waits no longer than this for a counter, and then goes on without.
TIMEOUT_SECONDS = 0.25
_AWAY_SECONDS = (1.0, 15.0)
_KEY = "rate-limit:{0.name}:{1}:{2}"

_UP = metrics.gauge("rate_limit_store_up", "Whether all processes count requests together: 1 or 0.")


@dataclass(frozen=True)
class Ask:
    """Somebody, the rate that they are measured by, and now."""

    rate: Rate
    who: str
    now: float

    def counters(self) -> tuple[str, str]:
        """Return the names of the counters of this window and the one before."""
        window = self.rate.window(self.now)
        this, before = (_KEY.format(self.rate, self.who, each) for each in (window, window - 1))
        return this, before


@dataclass(frozen=True)
class Grant:
    """What was granted, and the counters after that."""

    granted: int
    used: int
    before: int


class Leases(Protocol):
    """Whoever counts."""

    def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        """Grant each a part of what is left, or nothing where nothing is."""


class LocalLeases:
    """Counters of this process."""

    def __init__(self) -> None:
        self._counters: dict[str, int] = {}

    def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        """Grant each a part of what is left."""
        return [self._grant(ask) for ask in asks]

    def _grant(self, ask: Ask) -> Grant:
        this, before = ask.counters()
        used, earlier = self._counters.pop(this, 0), self._counters.get(before, 0)
        granted = math.ceil(ask.rate.left(used, earlier, ask.now) / SHARE)
        while len(self._counters) >= MOST_COUNTERS:  # the one that was used longest ago
            del self._counters[next(iter(self._counters))]
        self._counters[this] = used + granted
        return Grant(granted, used + granted, earlier)


class RedisLeases:
    """Counters in Valkey, of all processes; any number of asks is one round trip."""

    def __init__(self, client: Any) -> None:
        self._script = client.register_script(
            files("chassis.rate_limits").joinpath("lease.lua").read_text()
        )

    def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        """Grant each a part of what is left; raise RedisError."""
        keys = [key for ask in asks for key in ask.counters()]
        arguments = [
            argument
            for ask in asks
            for argument in (ask.rate.limit, ask.rate.weight(ask.now), ask.rate.seconds)
        ]
        return [Grant(*answer) for answer in self._script(keys, arguments)]


class SharedLeases:
    """Counters in Valkey while it answers, and of this process while it does not.

    Never raises: no request fails because nobody counts it.
    """

    def __init__(self, url_key: str, service: str) -> None:
        try:
            self.client = redis.connect(config.text(url_key), TIMEOUT_SECONDS)
        except ValueError:
            raise ConfigurationError(f"{url_key} is not an address of Valkey") from None
        self._shared = RedisLeases(self.client)
        self._local = LocalLeases()
        self._failures = 0
        self._ask_again = float("-inf")
        self._up = _UP.labels(service)
        self._up.set(1)

    def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        """Grant each a part of what is left."""
        if self._failures and time.monotonic() < self._ask_again:
            return self._local.grant(asks)
        # Who asks now asks for everybody: the others do not wait for a server that is silent.
        self._ask_again = time.monotonic() + _AWAY_SECONDS[0]
        try:
            grants = self._shared.grant(asks)
        except (RedisError, OSError) as error:
            self._fail(error)
            return self._local.grant(asks)
        if self._failures:
            self._failures = 0
            self._up.set(1)
            _log.info("requests are counted together with other processes again")
        return grants

    def _fail(self, error: Exception) -> None:
        if not self._failures:
            self._up.set(0)
            _log.warning("each process counts requests for itself: %s", type(error).__name__)
        self._failures += 1
        self._ask_again = time.monotonic() + backoff.seconds(self._failures, *_AWAY_SECONDS)
