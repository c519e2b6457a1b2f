"""An outage is told in one line for each cause, and one when it is over."""

import logging

import pytest

from chassis import backoff
from chassis.outage import Outage


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "chassis.outage")
    return caplog


def test_cause_is_told_once_and_its_end_once(told: pytest.LogCaptureFixture) -> None:
    outage = Outage("the database")
    outage.end()
    for _ in range(3):
        outage.begin("no answer in 1 s")
    for _ in range(2):
        outage.end()
    assert told.messages == [
        "waiting for the database: no answer in 1 s",
        "no longer waiting for the database",
    ]


def test_another_kind_of_cause_is_told_too(told: pytest.LogCaptureFixture) -> None:
    outage = Outage("the database")
    outage.begin("it is away")
    outage.begin("wrong password for alice", "wrong password")
    outage.begin("wrong password for alice, again", "wrong password")
    outage.begin("no idea")
    assert [message.partition(": ")[2] for message in told.messages] == [
        "it is away",
        "wrong password for alice",
    ]


def test_next_outage_is_told_anew(told: pytest.LogCaptureFixture) -> None:
    outage = Outage("the database")
    for _ in range(2):
        outage.begin("it is away", "away")
        outage.end()
    assert len(told.messages) == 4


def test_pauses_double_up_to_the_last_and_are_spread_by_chance() -> None:
    for tries, longest in enumerate([0.5, 1.0, 2.0, 2.0], start=1):
        pauses = {backoff.seconds(tries, 0.5, 2.0) for _ in range(20)}
        assert len(pauses) > 1
        assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert backoff.seconds(100_000, 0.5, 2.0) <= 2.0
