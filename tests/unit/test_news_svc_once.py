"""Work that is done once at a time, however many wait for it."""

import eventlet
import pytest
from eventlet.event import Event

from chassis.errors import Unavailable
from news_svc import once
from news_svc.once import Once


def test_those_who_ask_meanwhile_wait_for_the_same_work():
    gate, begun, each = Event(), [], Once()

    def work() -> None:
        begun.append(1)
        gate.wait()

    asking = [eventlet.spawn(each.do, "bob", work, 5) for _ in range(3)]
    other = eventlet.spawn(each.do, "cat", work, 5)
    eventlet.sleep(0)
    gate.send(None)
    assert [asked.wait() for asked in [*asking, other]] == [None] * 4
    assert len(begun) == 2
    each.do("bob", lambda: begun.append(1), 5)
    assert len(begun) == 3


def test_error_reaches_everybody_and_the_next_begins_anew():
    each = Once()

    def fail() -> None:
        eventlet.sleep(0)
        raise Unavailable("away")

    asking = [eventlet.spawn(each.do, "bob", fail, 5) for _ in range(2)]
    for asked in asking:
        with pytest.raises(Unavailable, match="away"):
            asked.wait()
    each.do("bob", lambda: None, 5)


def test_work_that_takes_long_goes_on_without_its_waiter():
    gate, ended, each = Event(), [], Once()

    def work() -> None:
        gate.wait()
        ended.append(1)

    with pytest.raises(Unavailable) as refused:
        each.do("bob", work, 0.01)
    assert refused.value.code == "news_under_way"
    waiter = eventlet.spawn(each.do, "bob", lambda: ended.append(2), 5)
    eventlet.sleep(0)
    gate.send(None)
    waiter.wait()
    assert ended == [1]


def test_work_is_refused_when_there_is_too_much(monkeypatch):
    monkeypatch.setattr(once, "_MOST", 2)
    gate, each = Event(), Once()
    working = [eventlet.spawn(each.do, name, gate.wait, 5) for name in ("a", "b")]
    eventlet.sleep(0)
    with pytest.raises(Unavailable) as refused:
        each.do("c", gate.wait, 5)
    assert refused.value.code == "news_busy"
    gate.send(None)
    for each_one in working:
        each_one.wait()
