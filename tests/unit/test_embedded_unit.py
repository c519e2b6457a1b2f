"""A unit starts its process again, and gives up in the end."""

from dataclasses import dataclass

import pytest

from embedded import unit
from embedded.errors import CannotStart
from embedded.unit import Unit, describe


@dataclass
class FakeProcess:
    status: int | None = None


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(unit, "time", clock)
    return clock


class Life:
    """One unit, the processes it has started, and what it has said."""

    def __init__(self) -> None:
        self.processes: list[FakeProcess] = []
        self.said: list[str] = []
        self.unit = Unit("link_svc", self._start)
        self.unit.start()

    def tend(self) -> None:
        self.unit.tend(self.said.append)

    def _start(self) -> FakeProcess:
        self.processes.append(FakeProcess())
        return self.processes[-1]


def test_running_process_is_left_alone(clock: Clock) -> None:
    life = Life()
    life.tend()
    assert (len(life.processes), life.said) == (1, [])


def test_dead_process_is_started_again_after_a_pause(clock: Clock) -> None:
    life = Life()
    life.processes[0].status = -9
    life.tend()
    life.tend()
    assert life.said == ["link_svc was killed by SIGKILL; starting it again in 0.5 s"]
    assert len(life.processes) == 1
    clock.now += 0.5
    life.tend()
    assert len(life.processes) == 2


def test_pauses_grow_until_the_fifth_quick_death_is_the_last(clock: Clock) -> None:
    life = Life()
    for pause in (0.5, 1, 2, 4):
        life.processes[-1].status = 1
        life.tend()
        assert life.said[-1].endswith(f"in {pause:g} s")
        clock.now += pause
        life.tend()
    life.processes[-1].status = 1
    with pytest.raises(CannotStart, match="link_svc ended with status 1, 5 times in a row"):
        life.tend()


def test_long_life_forgives_quick_deaths(clock: Clock) -> None:
    life = Life()
    for _ in range(10):
        clock.now += unit.QUICK_SECONDS
        life.processes[-1].status = 1
        life.tend()
        clock.now += unit.FIRST_PAUSE_SECONDS
        life.tend()
    assert len(life.processes) == 11


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-15, "was killed by SIGTERM"),
        (-99, "was killed by signal 99"),
    ],
)
def test_describe_tells_how_a_process_ended(status: int, words: str) -> None:
    assert describe(status) == words
