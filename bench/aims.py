"""What is measured, by its name in the report, and what it shall reach."""

from dataclasses import dataclass

LIST, BY_TAG, NEWS, ADD = "list, 10 a page", "list by tag", "news, 10 events", "add"
TRIVIAL = "a trivial server"
GENERATOR = "the load generator"

ONE_BY_ONE, TOGETHER = 1, 8  # the connections that the aims are for


@dataclass(frozen=True)
class Aim:
    """What an operation shall reach: a p50 one by one, and a rate together."""

    p50_ms: float
    rate: float


OPERATIONS = {LIST: Aim(10, 700), BY_TAG: Aim(10, 600), NEWS: Aim(10, 500), ADD: Aim(15, 300)}
FRESH_P50_MS, FRESH_P99_MS = 100, 1000
RPC_P50_MS, RPC_RATE = 3, 900
MOST_MEGABYTES = 700
LONGEST_START_SECONDS = 5.0
