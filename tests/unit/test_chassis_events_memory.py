"""What a consumer remembers of its events, and how careful it is with them."""

from chassis.events import memory
from chassis.events.caution import Caution
from chassis.events.memory import Memory
from chassis.streams.deliveries import Place


def test_event_that_was_handled_is_known_by_its_place_and_its_id() -> None:
    kept = Memory()
    kept.note(7, "one")
    kept.acknowledged(7, "$JS.ACK.there")
    assert kept.has(7, "one")
    assert not kept.has(7, "another")  # of a stream that was restored from an older copy
    assert not kept.has(8, "one")
    assert kept.reply(7) == "$JS.ACK.there"
    assert kept.reply(8) == ""


def test_memory_is_bounded() -> None:
    kept = Memory()
    for sequence in range(memory._MOST + 1):
        kept.note(sequence, "id")
        kept.acknowledged(sequence, "reply")
    assert not kept.has(0, "id")
    assert kept.reply(0) == ""
    assert kept.has(1, "id")
    assert kept.reply(memory._MOST) == "reply"


def test_what_comes_again_is_handled_with_fewer_others_for_as_long_as_a_batch() -> None:
    caution = Caution(200)
    assert caution.most(1) == 200
    caution.redelivered(Place(100, 2, 5000))
    assert (caution.most(100), caution.most(300), caution.most(301)) == (20, 20, 200)
    caution.redelivered(Place(120, 3, 5000))
    assert (caution.most(120), caution.most(320), caution.most(321)) == (1, 1, 200)


def test_few_events_that_come_again_are_handled_one_by_one() -> None:
    caution = Caution(200)
    caution.redelivered(Place(100, 2, 7))
    assert caution.most(100) == 1


def test_events_are_handled_alone_as_far_as_the_batch_that_failed() -> None:
    caution = Caution(200)
    caution.alone(50)
    assert (caution.most(50), caution.most(51)) == (1, 200)
