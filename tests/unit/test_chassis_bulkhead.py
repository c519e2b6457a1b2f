"""Places for calls to a peer: a busy one is waited for in line, a frozen one is not."""

from typing import Any

import eventlet
import pytest
from eventlet.event import Event

from chassis import bulkhead
from chassis.bulkhead import Bulkhead
from chassis.errors import NotFound, Unavailable

LONG = 60.0


class Calls:
    """Calls through a bulkhead that end when they are told how."""

    def __init__(self, places: int, longest_line: float = 9) -> None:
        self.bulkhead = Bulkhead("peer", places, longest_line)
        self.begun: list[int] = []
        self.ends: list[Event] = []

    def call(self, seconds: float = LONG) -> Any:
        number, end = len(self.ends), Event()
        self.ends.append(end)

        def run() -> None:
            with self.bulkhead.place(seconds):
                self.begun.append(number)
                end.wait()

        thread = eventlet.spawn(run)
        eventlet.sleep(0)
        return thread

    def end(self, number: int, error: BaseException | None = None) -> None:
        if error is None:
            self.ends[number].send()
        else:
            self.ends[number].send_exception(error)
        eventlet.sleep(0)
        eventlet.sleep(0)


def test_who_finds_no_place_waits_in_line() -> None:
    calls = Calls(places=2)
    threads = [calls.call() for _ in range(5)]
    assert calls.begun == [0, 1]
    calls.end(1)
    calls.end(0, NotFound("no_such_link", "None."))
    assert calls.begun == [0, 1, 2, 3]
    late = calls.call()
    calls.end(2)
    calls.end(3)
    assert calls.begun == [0, 1, 2, 3, 4, 5]
    calls.end(4), calls.end(5)
    for thread in (*threads[1:], late):
        thread.wait()
    with pytest.raises(NotFound):
        threads[0].wait()
    calls.call(), calls.call()
    assert calls.begun[-2:] == [6, 7]


@pytest.mark.parametrize("error", [None, Unavailable("peer_away", "It is away.")])
def test_a_peer_that_answers_nobody_is_not_waited_for(
    error: BaseException | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkhead, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(bulkhead, "WAIT_PART", 0)
    calls = Calls(places=1)
    calls.call()
    waiting = [calls.call(), calls.call()]
    if error is not None:  # whose place the next has, who is not answered either
        calls.end(0, error)
        assert calls.begun == [0, 1]
        del waiting[0]
    for thread in waiting:
        with pytest.raises(Unavailable) as refusal:
            thread.wait()
        assert refusal.value.code == "peer_busy"


def test_nobody_waits_for_a_peer_that_is_known_to_be_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulkhead, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(bulkhead, "WAIT_PART", 0)
    calls = Calls(places=2)
    calls.call(), calls.call()
    with pytest.raises(Unavailable):
        calls.call().wait()
    with pytest.raises(Unavailable) as refusal:
        at_once(calls.bulkhead)
    assert refusal.value.code == "peer_busy"
    calls.end(0)  # it answers
    calls.call()
    calls.call()
    assert calls.begun == [0, 1, 3]
    calls.end(1)
    assert calls.begun == [0, 1, 3, 4]


def test_that_a_peer_was_frozen_is_forgotten_with_the_last_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulkhead, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(bulkhead, "WAIT_PART", 0)
    calls = Calls(places=1)
    calls.call()
    with pytest.raises(Unavailable):
        calls.call().wait()
    calls.end(0, Unavailable("peer_timeout", "It did not answer."))
    monkeypatch.setattr(bulkhead, "WAIT_SECONDS", LONG)
    calls.call()
    calls.call()
    calls.end(2)
    assert calls.begun == [0, 2, 3]


def at_once(places: Bulkhead) -> None:
    """Take a place, or be refused, without letting anybody else run."""
    hub = eventlet.hubs.get_hub()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "switch", lambda: pytest.fail("it waits"))
        with places.place(LONG):
            pass


def test_line_has_an_end() -> None:
    calls = Calls(places=1, longest_line=1)
    calls.call()
    waits, comes_too_late = calls.call(), calls.call()
    with pytest.raises(Unavailable) as refusal:
        comes_too_late.wait()
    assert refusal.value.code == "peer_busy"
    calls.end(0)
    calls.end(1)
    waits.wait()
    assert calls.begun == [0, 1]


def test_no_longer_than_there_is_time() -> None:
    calls = Calls(places=1)
    calls.call()
    with pytest.raises(Unavailable) as refusal:
        calls.call(seconds=0.01).wait()
    assert refusal.value.code == "peer_busy"


def test_who_ends_in_line_takes_no_place() -> None:
    calls = Calls(places=1)
    calls.call()
    first, second = calls.call(), calls.call()
    first.kill()
    calls.ends[0].send()
    eventlet.sleep(0)
    second.kill()  # when it is its turn, or about to be
    eventlet.sleep(0)
    calls.call()
    assert calls.begun[-1] == 3
