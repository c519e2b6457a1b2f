"""How much is measured, and for how long."""

from dataclasses import dataclass

from bench.report.aims import ONE_BY_ONE, TOGETHER


@dataclass(frozen=True)
class Plan:
    """How long to measure, and how much there is."""

    sizes: tuple[int, ...]  # links of one person each
    written: int  # of them by the product; the rest are copies
    connections: tuple[int, ...]
    rounds: int
    seconds: float
    stock: int  # links to delete
    fresh_links: int
    starts: int
    people: int
    followers: int  # of the one whose link goes to many
    idle_seconds: float


FULL = Plan(
    sizes=(1_000, 10_000, 100_000),
    written=1_000,  # as many as a feed has events
    connections=(ONE_BY_ONE, TOGETHER, 32),
    rounds=3,
    seconds=0.8,
    stock=800,
    fresh_links=150,
    starts=2,
    people=1000,
    followers=10_000,
    idle_seconds=20.0,
)
QUICK = Plan(
    sizes=(100, 1_000),
    written=100,
    connections=(ONE_BY_ONE, TOGETHER),
    rounds=1,
    seconds=0.15,
    stock=40,
    fresh_links=3,
    starts=1,
    people=20,
    followers=200,
    idle_seconds=1.0,
)
