import eventlet
import pytest

from chassis import backoff
from chassis.errors import Unavailable
from chassis.outbox import relay
from chassis.outbox.publishing import Batch, Publishing
from chassis.outbox.relay import Relay, Retries
from tests.processes import until


def failed(*subjects):
    return Batch(0.0, failed={subject: Unavailable("bus_unavailable") for subject in subjects})


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(relay.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)
    return now


def test_a_batch_is_hopeless_when_nothing_goes_through():
    assert not Batch(0.0).hopeless
    assert failed("a").hopeless
    assert not Batch(0.0, acknowledged=[1], failed=failed("a").failed).hopeless


def test_a_subject_that_fails_rests_and_each_time_for_longer(clock):
    retries = Retries()
    rests = []
    for _ in range(7):
        retries.note(failed("a"))
        assert retries.resting() == {"a"}
        rests.append(round(retries.next(), 3))
        clock[0] += retries.next()
        assert retries.resting() == frozenset()
    assert rests == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_subject_that_has_recovered_is_forgotten(clock):
    retries = Retries()
    retries.note(failed("a", "b"))
    clock[0] += 5
    retries.note(failed("b"))
    assert retries.resting() == {"b"}
    clock[0] += 5
    retries.note(Batch(0.0))
    assert retries.next() == float("inf")
    retries.note(failed("a"))
    assert round(retries.next(), 3) == 0.1


def test_retries_are_spread_by_chance():
    waits = {backoff.seconds(3, *relay._RETRY_SECONDS) for _ in range(20)}
    assert len(waits) > 1
    assert all(0.2 <= wait <= 0.4 for wait in waits)


class AwayRows:
    """An outbox in a database that is away."""

    def __init__(self):
        self.tries = 0

    def take(self, skipped):
        self.tries += 1
        raise Unavailable("database_unavailable")

    finish = take


def test_what_rests_is_tried_again_at_once_when_nats_is_back(monkeypatch):
    monkeypatch.setattr(relay, "_RETRY_SECONDS", (600, 600))
    rows = AwayRows()
    relay_ = Relay(rows, Publishing("things", "/thing_svc"))
    thread = eventlet.spawn(relay_.run)
    soon = lambda tries: until(lambda: eventlet.sleep(0.001) or rows.tries == tries)  # noqa: E731
    soon(1)
    relay_.wake()  # a commit ends no rest
    eventlet.sleep(0.01)
    assert rows.tries == 1
    relay_.try_again()
    soon(2)
    relay_.stop()
    thread.wait()
