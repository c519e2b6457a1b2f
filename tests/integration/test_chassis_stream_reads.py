"""Reading a stream back by subject, whatever else is in it."""

import random
from uuid import uuid4

import pytest
from nameko import config

from chassis import errors, nats, streams
from chassis.streams import reads
from tests.processes import until


@pytest.fixture
def stream(nats_url: str) -> str:
    """Return the name of a stream of this test's own, with a consumer ``reader``."""
    config.update({"NATS_URL": nats_url, "STREAM_REPLICAS": 1})
    name = f"reads-{uuid4().hex}"
    assert nats.streams().wait_connected(5)
    streams.ensure_consumer(name, "reader", 2.5, timeout=5)
    return name


def publish(stream: str, subjects: list[str]) -> None:
    """Fill a stream quickly: each body is the number of the message."""
    for number, subject in enumerate(subjects):
        nats.streams().publish(f"{stream}.{subject}", str(number).encode())
    nats.streams().flush(5)
    last = f"{stream}.{subjects[-1]}"
    until(lambda: int(reads.last_of(stream, last, 1, 5)[-1].body) == len(subjects) - 1)


@pytest.mark.parametrize("seed", range(3))
def test_the_last_of_a_subject_are_found_among_all_others(stream: str, seed: int) -> None:
    chance = random.Random(seed)
    subjects: list[str] = []
    while len(subjects) < 500:  # each subject comes in bursts
        subjects += [chance.choice("abc")] * chance.randint(1, 80)
    publish(stream, subjects)
    for subject in "abc":
        numbers = [number for number, name in enumerate(subjects) if name == subject]
        for count in (1, 7, len(numbers) or 1, 1000):
            found = reads.last_of(stream, f"{stream}.{subject}", count, 5)
            assert min(count, len(numbers)) <= len(found) <= 2 * count
            assert [int(one.body) for one in found] == numbers[len(numbers) - len(found) :]
            assert sorted(one.sequence for one in found) == [one.sequence for one in found]


def test_subject_without_messages_has_none(stream: str) -> None:
    assert reads.last_of(stream, f"{stream}.nobody", 10, 5) == []


def test_subjects_are_listed_by_name(stream: str) -> None:
    assert reads.subjects(stream, 5) == []
    publish(stream, ["b", "a", "b"])
    assert reads.subjects(stream, 5) == [f"{stream}.a", f"{stream}.b"]


def test_what_comes_after_a_sequence(stream: str) -> None:
    assert reads.after(stream, reads.last_sequence(stream, 5), 9, 5) == []
    before = reads.last_sequence(stream, 5)
    publish(stream, ["a", "b", "a"])
    until(lambda: reads.last_sequence(stream, 5) == before + 3)
    found = reads.after(stream, before, 9, 5)
    assert [one.sequence for one in found] == [before + 1, before + 2, before + 3]
    (one,) = reads.after(stream, before + 1, 1, 5)
    assert (one.sequence, one.body) == (found[1].sequence, found[1].body)


@pytest.mark.parametrize("name", ["no-such-stream"])
def test_stream_that_is_not_there_is_unavailable(stream: str, name: str) -> None:
    with pytest.raises(errors.Unavailable):
        reads.last_of(name, f"{name}.a", 1, 5)
    with pytest.raises(errors.Unavailable):
        reads.last_sequence(name, 5)
    with pytest.raises(errors.Unavailable):
        reads.after(name, 0, 1, 5)
