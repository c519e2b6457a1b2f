"""Rates, leases and verdicts, with the counters of one process."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nameko import config as settings
from nameko.exceptions import ConfigurationError

from chassis.rate_limits.leases import Ask, LocalLeases
from chassis.rate_limits.limiter import RateLimiter
from chassis.rate_limits.rate import Rate, rate

HUNDRED = Rate("some", 100, 60)
NOON = 43_200.0  # the beginning of a window


def admitted(limiter: RateLimiter, now: float, times: int = 1, rate: Rate = HUNDRED) -> int:
    """Return how many of so many requests pass."""
    verdicts = [limiter.admit([(rate, "somebody")], now) for _ in range(times)]
    return sum(verdict is not None and verdict.admitted for verdict in verdicts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/minute", Rate("some", 100, 60)),
        ("1/second", Rate("some", 1, 1)),
        ("7/hour", Rate("some", 7, 3600)),
        ("999999999/day", Rate("some", 999_999_999, 86_400)),
        ("off", None),
    ],
)
def test_rate_is_read(text: str, expected: Rate | None) -> None:
    with settings.patch({"A_RATE": text}):
        assert rate("A_RATE", "some") == expected


@pytest.mark.parametrize("text", ["", "100", "0/minute", "-1/minute", "1/week", "1 / minute", "x"])
def test_rate_that_is_none_is_refused(text: str) -> None:
    with settings.patch({"A_RATE": text}), pytest.raises(ConfigurationError, match="A_RATE"):
        rate("A_RATE", "some")


def test_as_many_pass_as_are_allowed() -> None:
    limiter = RateLimiter(LocalLeases())
    assert admitted(limiter, NOON, 150) == 100
    assert admitted(limiter, NOON + 59, 10) == 0


def test_what_is_refused_is_not_counted() -> None:
    limiter = RateLimiter(LocalLeases())
    admitted(limiter, NOON, 100)
    refusal = limiter.admit([(HUNDRED, "somebody")], NOON)
    assert refusal is not None
    admitted(limiter, NOON + 30, 1000)
    assert admitted(limiter, NOON + refusal.wait) == 1


def test_the_window_before_counts_as_far_as_it_reaches() -> None:
    limiter = RateLimiter(LocalLeases())
    admitted(limiter, NOON, 100)
    assert admitted(limiter, NOON + 60 + 15, 100) == 25


def test_people_are_measured_apart_and_all_rates_must_agree() -> None:
    limiter, few = RateLimiter(LocalLeases()), Rate("few", 3, 60)
    both = [(HUNDRED, "alice"), (few, "here")]
    verdicts = [limiter.admit(both, NOON) for _ in range(5)]
    assert [verdict is not None and verdict.admitted for verdict in verdicts] == [True] * 3 + [
        False
    ] * 2
    refusal = limiter.admit([(HUNDRED, "bob"), (few, "here")], NOON)
    assert refusal is not None
    assert (refusal.rate, refusal.remaining, refusal.admitted) == (few, 0, False)
    assert limiter.admit([(HUNDRED, "bob")], NOON) == limiter.admit([(HUNDRED, "carol")], NOON)


def test_headers_say_what_is_left_and_when_to_come_again() -> None:
    limiter, few = RateLimiter(LocalLeases()), Rate("few", 2, 60)
    first, _, last = (limiter.admit([(few, "somebody")], NOON + 10) for _ in range(3))
    assert first is not None
    assert last is not None
    assert first.headers() == {
        "RateLimit-Policy": '"few";q=2;w=60',
        "RateLimit": '"few";r=1;t=50',
    }
    # The window's end, and half of the next: then one of these two counts no more.
    assert last.headers() == {
        "RateLimit-Policy": '"few";q=2;w=60',
        "RateLimit": '"few";r=0;t=80',
        "Retry-After": "80",
    }


def test_nobody_measures_nothing() -> None:
    assert RateLimiter(LocalLeases()).admit([], NOON) is None


def test_a_known_refusal_is_remembered_and_asks_nobody() -> None:
    limiter, few = RateLimiter(LocalLeases()), Rate("few", 1, 60)
    assert limiter.refused(few, "somebody", NOON) is None
    assert admitted(limiter, NOON, 2, few) == 1
    refusal = limiter.refused(few, "somebody", NOON)
    assert refusal is not None
    assert not refusal.admitted
    assert limiter.refused(few, "somebody", NOON + refusal.wait) is None


def test_counters_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.rate_limits.leases.MOST_COUNTERS", 10)
    monkeypatch.setattr("chassis.rate_limits.limiter.MOST_PEOPLE", 10)
    leases = LocalLeases()
    limiter = RateLimiter(leases)
    for number in range(100):
        limiter.admit([(HUNDRED, str(number))], NOON)
    assert len(leases._counters) == len(limiter._held) == 10


class Counting(LocalLeases):
    """Count how often somebody asks."""

    asked = 0

    def grant(self, asks: list[Ask]) -> list:  # type: ignore[override, type-arg]
        self.asked += 1
        return super().grant(asks)


def test_few_requests_ask_for_leave() -> None:
    leases = Counting()
    assert admitted(RateLimiter(leases), NOON, 3000, Rate("some", 3000, 60)) == 3000
    assert leases.asked < 3000 / 10


@given(
    limit=st.integers(1, 200),
    steps=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 40), st.integers(1, 80)), max_size=40),
)
def test_processes_together_never_let_more_through(
    limit: int, steps: list[tuple[int, float, int]]
) -> None:
    """Of any window's requests, whichever process took them, no more than the limit pass."""
    leases, some = LocalLeases(), Rate("some", limit, 60)
    processes = [RateLimiter(leases) for _ in range(3)]
    now, passed = NOON, dict[int, int]()
    for process, pause, times in steps:
        now += pause
        window = some.window(now)
        passed[window] = passed.get(window, 0) + admitted(processes[process], now, times, some)
        assert passed[window] <= limit


@given(used=st.integers(0, 50), before=st.integers(0, 50), elapsed=st.floats(0, 59.9))
def test_who_waits_as_told_may_come(used: int, before: int, elapsed: float) -> None:
    some = Rate("some", 50, 60)
    now = NOON + elapsed
    if some.left(used, before, now):
        return
    later = now + some.wait(used, before, now) + 1e-6
    in_this_window = some.window(later) == some.window(now)
    assert some.left(*((used, before) if in_this_window else (0, used)), later) >= 1
    assert math.isfinite(later)


def test_who_is_refused_costs_no_round_trip() -> None:
    leases, few = Counting(), Rate("few", 1, 60)
    limiter = RateLimiter(leases)
    limiter.admit([(few, "here")], NOON)
    limiter.admit([(few, "here")], NOON)
    asked = leases.asked
    for number in range(10):
        refusal = limiter.admit([(few, "here"), (HUNDRED, f"token {number}")], NOON)
        assert refusal is not None
        assert (refusal.rate, refusal.admitted) == (few, False)
    assert leases.asked == asked
