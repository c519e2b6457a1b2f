"""What is measured, by its name in the report, and what it shall reach: at first, and then."""

from collections.abc import Iterator
from dataclasses import dataclass

LIST, LIST_100, NEAR_END = "list, 10 a page", "list, 100 a page", "a page near the end"
BY_RARE_TAG, BY_TAG = "by tag, rare", "by tag, common"
BY_RARE_TEXT, BY_TEXT = "by text, rare", "by text, common"
ADD, UPDATE, DELETE = "add", "update", "delete"
NEWS, GET_NEWS = "news, 10 events", "GetNews over gRPC"
TRIVIAL = "a trivial server"
GENERATOR = "the load generator"

ONE_BY_ONE, TOGETHER = 1, 8  # the connections that the aims are for


@dataclass(frozen=True)
class Aim:
    """What an operation shall reach: a rate together, and a p50 one by one where there is one."""

    rate: float
    p50_ms: float = float("inf")


FIRST = {
    LIST: Aim(700),
    LIST_100: Aim(350),
    NEAR_END: Aim(700),
    BY_RARE_TAG: Aim(600),
    BY_TAG: Aim(600),
    BY_RARE_TEXT: Aim(300),
    BY_TEXT: Aim(300),
    ADD: Aim(300),
    UPDATE: Aim(300),
    DELETE: Aim(300),
    NEWS: Aim(500, 8),
}
THEN = {
    LIST: Aim(1500, 2),
    LIST_100: Aim(650),
    NEAR_END: Aim(1500, 2),
    BY_RARE_TAG: Aim(1200, 5),
    BY_TAG: Aim(1200, 5),
    BY_RARE_TEXT: Aim(800),
    BY_TEXT: Aim(800),
    ADD: Aim(1000, 4),
    UPDATE: Aim(1000),
    DELETE: Aim(1000),
    NEWS: Aim(1200, 3),
}
# Each for the first aim, and then; the smaller the better, but for the rate.
FRESH_P50_MS, FRESH_P99_MS = (100, 25), (1000, 200)
FAN_OUT_SECONDS = (1.0, 0.2)
RPC_P50_MS, RPC_RATE = (2.5, 1), (900, 2500)
MEGABYTES = (700, 400)
START_SECONDS = (5.0, 2.0)
IDLE_PERCENT = (2.0, 2.0)


def verdict(operation: str, connections: int, rate: float, p50: float) -> Iterator[str]:
    """Yield what is aimed at, at first and then, each with whether it is reached."""
    for stage in (FIRST, THEN):
        aim = stage.get(operation, Aim(0))
        if connections == TOGETHER and aim.rate:
            yield told(f"{aim.rate:,g}/s", rate >= aim.rate)
        elif connections == ONE_BY_ONE and aim.p50_ms < float("inf"):
            yield told(f"p50 {aim.p50_ms:g} ms", p50 <= aim.p50_ms)
        else:
            yield ""


def told(aim: str, reached: bool) -> str:
    """Return an aim with whether it is reached."""
    return f"{aim}: {'reached' if reached else 'missed'}"
