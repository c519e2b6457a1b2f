"""The outbox on a real PostgreSQL, with a stream that fails on purpose."""

import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC

import eventlet
import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Session

from chassis.database.dialect import engine_at
from chassis.errors import Unavailable
from chassis.events import Event
from chassis.outbox import EventDispatcher, OutboxLeaseMixin, OutboxMixin, publishing, relay, rows
from chassis.outbox.publishing import Publishing
from chassis.outbox.relay import Relay
from chassis.outbox.rows import OutboxRows
from tests.integration import service_database


class Base(DeclarativeBase):
    pass


class Row(OutboxMixin, Base):
    __tablename__ = "outbox"


class Lease(OutboxLeaseMixin, Base):
    __tablename__ = "outbox_lease"


class Stream:
    """Keep what is published as JetStream does: an id that it has is acknowledged and dropped."""

    def __init__(self, fail=lambda subject: None):
        self.fail = fail
        self.tries = []
        self.events = []
        self._ids = set()
        self._lock = threading.Lock()

    def publish(self, stream, subject, body, message_id, timeout):
        eventlet.sleep(0)  # where a real one waits, other subjects go on
        failure = self.fail(subject)
        if failure == "before":
            self.tries.append(message_id)
            raise Unavailable("bus_unavailable", "on purpose")
        with self._lock:
            self.tries.append(message_id)
            if message_id not in self._ids:
                self._ids.add(message_id)
                self.events.append((subject, Event.decode(body)))
        if failure == "after":
            raise Unavailable("bus_unavailable", "stored, but who knows")
        return len(self.events)

    def numbers(self):
        """Return the numbers of each subject's events, in the stream's order."""
        numbers = defaultdict(list)
        for subject, event in self.events:
            numbers[subject].append(event.data["n"])
        return dict(numbers)


@pytest.fixture(scope="module")
def engine(postgres):
    with service_database.unmigrated(postgres, "outbox_svc", "outbox_svc") as database:
        owner = create_engine(postgres.uri("outbox_svc", database.owner))
        Base.metadata.create_all(owner)
        owner.dispose()
        engine = engine_at(postgres.uri("outbox_svc"), pool_size=20, max_overflow=0)
        yield engine
        engine.dispose()


@pytest.fixture(autouse=True)
def empty(engine):
    service_database.empty(engine, Base.metadata)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(relay, "_RETRY_SECONDS", (0.005, 0.02))
    monkeypatch.setattr(relay, "IDLE_SECONDS", 0.05)


def tell(engine, *facts):
    """Record events (subject, n), all in one transaction."""
    with Session(engine) as session, session.begin():
        dispatch = EventDispatcher("things", Row, Lease).dispatch_for(session)
        for subject, number in facts:
            dispatch("thing.done", subject, {"n": number})


def a_relay(engine, publish):
    rows = OutboxRows(engine, Row.__table__, Lease.__table__, "things")
    one_by_one = Publishing("things", "/thing_svc", publish, lambda *_: False)
    return Relay(rows, one_by_one)


def left(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Row))


def turn(relay_):
    """Take a turn; an outage is waited out, as run() does."""
    try:
        return relay_.turn()
    except Unavailable:
        return 0.005


def drain(engine, *relays, seconds=20):
    end = time.monotonic() + seconds
    while left(engine):
        assert time.monotonic() < end, f"{left(engine)} events are not published"
        for each in relays:
            time.sleep(min(0.005, turn(each)))


def test_an_event_is_published_as_a_cloud_event_and_deleted(engine):
    tell(engine, ("alice", 1))
    with engine.connect() as connection:
        row = connection.execute(select(Row.__table__)).one()
    calls = []
    a_relay(engine, lambda *args: calls.append(args) or 1).turn()
    stream, subject, body, message_id, timeout = calls[0]
    assert (stream, subject, message_id) == ("things", "things.alice", str(row.event_id))
    assert 0 < timeout <= publishing.PUBLISH_SECONDS
    assert Event.decode(body) == Event(
        str(row.event_id), "/thing_svc", "thing.done", "alice", row.time.astimezone(UTC), {"n": 1}
    )
    assert left(engine) == 0


def test_a_transaction_that_is_rolled_back_tells_nothing(engine):
    with Session(engine) as session:
        EventDispatcher("things", Row, Lease).dispatch_for(session)("t", "alice", {})
        session.rollback()
    assert left(engine) == 0


@pytest.mark.parametrize("subject", ["", "a.b", "a b", "*", ">", "a\n", "ä"])
def test_a_subject_that_could_never_be_published_is_refused(engine, subject):
    with pytest.raises(ValueError, match="subject"):
        tell(engine, (subject, 1))


def test_nothing_is_lost_doubled_or_reordered_when_publishing_fails(engine):
    chance = random.Random(7)
    facts = [(f"user{n % 20}", n) for n in range(1500)]
    tell(engine, *facts)
    stream = Stream(lambda subject: chance.choice(["before", "after", *[""] * 18]))
    drain(engine, a_relay(engine, stream.publish))
    for subject, numbers in stream.numbers().items():
        assert numbers == [n for user, n in facts if f"things.{user}" == subject]
    assert len(stream.events) == 1500
    assert len(stream.tries) > 1500


def test_a_subject_that_fails_does_not_hold_up_the_others(engine):
    tell(engine, *[("poison", n) for n in range(600)], *[(f"user{n}", n) for n in range(50)])
    stream = Stream(lambda subject: "before" if subject == "things.poison" else "")
    each = a_relay(engine, stream.publish)
    end = time.monotonic() + 10
    while len(stream.events) < 50:
        assert time.monotonic() < end
        turn(each)
    assert left(engine) == 600
    stream.fail = lambda subject: ""
    drain(engine, each)
    assert stream.numbers()["things.poison"] == list(range(600))


def test_a_subject_that_fills_the_table_lets_others_pass(engine):
    tell(engine, *[("busy", n) for n in range(2000)], ("quiet", 1))
    stream = Stream()
    each = a_relay(engine, stream.publish)
    each.turn()
    each.turn()
    assert "things.quiet" in stream.numbers()
    drain(engine, each)
    assert stream.numbers()["things.busy"] == list(range(2000))


def test_what_commits_late_with_an_earlier_id_is_published(engine):
    """A11."""
    stream = Stream()
    each = a_relay(engine, stream.publish)
    with Session(engine) as early, early.begin():
        EventDispatcher("things", Row, Lease).dispatch_for(early)("thing.done", "alice", {"n": 1})
        tell(engine, ("bob", 2))
        each.turn()
        assert stream.numbers() == {"things.bob": [2]}
    each.turn()
    assert stream.numbers() == {"things.bob": [2], "things.alice": [1]}


def test_four_relays_at_once_publish_everything_once_and_in_order(engine):
    """A12."""
    stream = Stream()
    begin = threading.Barrier(5)
    end = threading.Event()

    def replica(number):
        chance = random.Random(number)
        each = a_relay(engine, stream.publish)
        begin.wait(timeout=20)
        while not end.is_set() or left(engine):
            time.sleep(min(0.002, turn(each)) * chance.random())

    with ThreadPoolExecutor(4) as pool:
        replicas = [pool.submit(replica, n) for n in range(4)]
        begin.wait(timeout=20)
        for n in range(150):
            tell(engine, *[(f"user{u}", n) for u in range(5)])
        end.set()
    assert all(each.result() is None for each in replicas)
    assert stream.numbers() == {f"things.user{u}": list(range(150)) for u in range(5)}


def test_only_the_holder_of_the_lease_publishes_until_it_expires(engine, monkeypatch):
    first, second = Stream(), Stream()
    monkeypatch.setattr(rows, "LEASE_SECONDS", 0.5)
    dead = OutboxRows(engine, Row.__table__, Lease.__table__, "things")
    heir = a_relay(engine, second.publish)
    tell(engine, ("alice", 1))
    assert len(dead.take(frozenset())) == 1  # and is killed before it has published
    assert heir.turn() > 0
    assert second.events == first.events == []
    drain(engine, heir, seconds=5)
    assert second.numbers() == {"things.alice": [1]}


def test_a_crash_between_publishing_and_deleting_repeats_the_same_id(engine):
    """A4, by an exception."""
    tell(engine, ("alice", 1), ("alice", 2))
    stream = Stream()
    crashing = a_relay(engine, stream.publish)
    crashing._rows.finish = lambda published, release: 1 / 0
    with pytest.raises(ZeroDivisionError):
        crashing.turn()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM outbox_lease"))
    a_relay(engine, stream.publish).turn()
    assert stream.tries[:2] == stream.tries[2:]
    assert stream.numbers() == {"things.alice": [1, 2]}
    assert left(engine) == 0


def test_an_outage_stops_the_batch_early_and_is_logged_once(engine, caplog):
    tell(engine, *[(f"user{n}", n) for n in range(500)])
    stream = Stream(lambda subject: "before")
    each = a_relay(engine, stream.publish)
    with running(each):
        wait_for(lambda: len(stream.tries) > 200)
        stream.fail = lambda subject: ""
        wait_for(lambda: left(engine) == 0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(stream.events) == 500


def test_a_database_that_is_away_does_not_end_the_relay(engine, caplog):
    stream = Stream()
    each = a_relay(engine, stream.publish)
    take, outage = each._rows.take, [1]
    each._rows.take = lambda skipped: 1 / 0 if outage else take(skipped)
    tell(engine, ("alice", 1))
    with running(each):
        wait_for(lambda: caplog.records)
        outage.clear()
        wait_for(lambda: stream.events)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_a_commit_wakes_the_relay_at_once(engine, monkeypatch):
    monkeypatch.setattr(relay, "IDLE_SECONDS", 60.0)
    stream = Stream()
    dispatcher = EventDispatcher("things", Row, Lease)
    dispatcher._relay = a_relay(engine, stream.publish)
    with running(dispatcher._relay), Session(engine) as session:
        eventlet.sleep(0.05)  # until it rests
        dispatch = dispatcher.dispatch_for(session)
        for n in range(3):
            with session.begin():
                dispatch("thing.done", "alice", {"n": n})
            wait_for(lambda count=n + 1: len(stream.events) == count)


def test_stopping_publishes_what_is_there_and_frees_the_lease(engine, monkeypatch):
    monkeypatch.setattr(relay, "IDLE_SECONDS", 60.0)
    stream, heir = Stream(), Stream()
    each = a_relay(engine, stream.publish)
    with running(each):
        eventlet.sleep(0.05)
        tell(engine, ("alice", 1))
    assert stream.numbers() == {"things.alice": [1]}
    tell(engine, ("alice", 2))
    a_relay(engine, heir.publish).turn()
    assert heir.numbers() == {"things.alice": [2]}


def test_stopping_does_not_wait_for_a_stream_that_is_away(engine):
    tell(engine, *[(f"user{n}", n) for n in range(10)])
    each = a_relay(engine, Stream(lambda subject: eventlet.sleep(0.1) or "before").publish)
    begin = time.monotonic()
    with running(each):
        eventlet.sleep(0.05)
    assert time.monotonic() - begin < 3
    assert left(engine) == 10


def test_an_empty_table_is_not_written_for(engine):
    each = a_relay(engine, Stream().publish)
    assert each.turn() == relay.IDLE_SECONDS
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Lease)) == 0


@contextmanager
def running(each):
    """Run a relay in a green thread, and stop it in the end."""
    thread = eventlet.spawn(each.run)
    yield
    each.stop()
    thread.wait()


def wait_for(condition, seconds=10):
    with eventlet.Timeout(seconds):
        while not condition():
            eventlet.sleep(0.005)
