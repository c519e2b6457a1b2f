"""What user_svc has said of tokens a moment ago."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

from cachetools import TLRUCache

MOST_GRANTS = 10_000
Grant = dict[str, Any]


class Grants:
    """What user_svc has said of tokens, for some seconds from when it was *asked*.

    Counted from the answer, a late one would make a revoked token good for longer.
    """

    def __init__(
        self, seconds: float, most: int = MOST_GRANTS, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = timer
        self._kept: TLRUCache[bytes, tuple[Grant, float]] = TLRUCache(
            most, ttu=lambda _key, kept, _now: kept[1] + seconds, timer=timer
        )

    def get(self, access_token: str) -> Grant | None:
        """Return what was said of a token, if that is not too long ago."""
        kept = self._kept.get(_digest(access_token))
        return kept and kept[0]

    def keep(self, access_token: str, grant: Grant, asked_at: float) -> None:
        """Keep the answer to a question of a moment ago."""
        self._kept[_digest(access_token)] = (grant, asked_at)

    def forget(self, access_token: str) -> None:
        """Ask again when this token comes next."""
        self._kept.pop(_digest(access_token), None)

    def forget_all_of(self, username: str) -> None:
        """Ask again when a token of somebody's comes next."""
        theirs = [key for key, (grant, _) in self._kept.items() if grant["username"] == username]
        for key in theirs:
            self._kept.pop(key, None)


def _digest(access_token: str) -> bytes:
    """Return what stands for a token, so that no memory dump shows one."""
    return hashlib.sha256(access_token.encode()).digest()
