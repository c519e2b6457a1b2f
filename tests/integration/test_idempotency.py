"""Keys of writes, in PostgreSQL: once, the same answer, and nothing half done."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chassis.database import idempotency
from chassis.database.idempotency import Write
from chassis.errors import AlreadyExists, InvalidInput, Unavailable
from chassis.outbox import EventDispatcher
from link_svc import models, schemas, statements
from link_svc.models import IdempotencyKey, OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from social_graph_svc import models as graph_models
from social_graph_svc.domain import Block, Follow
from social_graph_svc.store import FollowStore
from tests.integration import service_database
from tests.integration.asked import asked
from tests.processes import until

URL = "https://example.com/a"


@pytest.fixture(scope="module")
def engine(postgres):
    with service_database.migrated(postgres, "link_svc", "link_svc_keys") as engine:
        yield engine


@pytest.fixture(autouse=True)
def _empty(engine):
    yield
    with engine.begin() as connection:
        for table in ("idempotency_keys", "link_tags", "links", "owners", "outbox"):
            connection.execute(text(f"DELETE FROM {table}"))


def store_of(engine) -> LinkStore:
    session = Session(engine, expire_on_commit=False)
    events = EventDispatcher("link-events", OutboxEvent, OutboxLease)
    return LinkStore(session, events.dispatch_for(session))


@pytest.fixture(params=["in one message", "in several"])
def add(request):
    """Return a way to add a link with a key."""

    def add(engine, key="k", url=URL, owner="alice", quota=100, **fields):
        store = store_of(engine)
        document = {"url": url, **fields}
        write = Write.of(owner, key, "add_link", document)
        new = schemas.new_link(owner, document)
        if request.param == "in one message":
            return store.add_once(write, new, quota, hours=24)
        return store.keys.once(write, lambda: schemas.dump(store.add(new, quota)), hours=24)

    return add


def count(engine, table) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def written(engine) -> tuple[int, int, int]:
    return tuple(count(engine, table) for table in (models.Link, OutboxEvent, IdempotencyKey))


def test_same_write_is_done_once_and_answered_the_same(engine, add):
    first = add(engine)
    assert [add(engine) for _ in range(3)] == [first] * 3
    assert written(engine) == (1, 1, 1)


def test_without_a_key_nothing_is_kept(engine, add):
    add(engine, key="")
    with pytest.raises(AlreadyExists, match="already"):
        add(engine, key="")
    assert written(engine) == (1, 1, 0)


def test_key_is_good_for_one_write_of_one_person(engine, add):
    add(engine)
    with pytest.raises(AlreadyExists) as refusal:
        add(engine, title="another")
    assert (refusal.value.code, refusal.value.field) == (
        *("idempotency_key_reused", "Idempotency-Key"),
    )
    add(engine, owner="bob")
    add(engine, key="K", url=URL + "2")
    assert written(engine) == (3, 3, 3)


def test_refusal_is_an_answer_and_leaves_nothing_else_behind(engine, add):
    add(engine, key="")
    for _ in range(2):
        with pytest.raises(AlreadyExists) as refusal:
            add(engine)
        assert (refusal.value.code, refusal.value.field) == ("link_exists", "url")
    store_of(engine).delete(schemas.key("alice", URL))
    with pytest.raises(AlreadyExists, match="already"):  # as the first time
        add(engine)
    assert written(engine) == (0, 2, 1)


def test_what_could_not_be_done_now_or_is_wrong_leaves_the_key_free(engine, add):
    store = store_of(engine)

    def fails():
        store.add(schemas.new_link("alice", {"url": URL}), quota=10)
        raise Unavailable("database_unavailable")

    with pytest.raises(Unavailable):
        store.keys.once(Write.of("alice", "k", "add_link", {"url": URL}), fails, hours=24)
    assert written(engine) == (0, 0, 0)
    with pytest.raises(InvalidInput):
        add(engine, url="nothing")
    add(engine)
    assert written(engine) == (1, 1, 1)


def test_write_under_way_is_not_waited_for(engine, add):
    begun, go_on = threading.Event(), threading.Event()
    store = store_of(engine)

    def slow():
        begun.set()
        assert go_on.wait(10)
        return {}

    write = Write.of("alice", "k", "add_link", {"url": URL})
    with ThreadPoolExecutor() as pool:
        first = pool.submit(store.keys.once, write, slow, 24)
        assert begun.wait(10)
        try:
            with pytest.raises(AlreadyExists) as refusal:
                add(engine)
            assert refusal.value.code == "idempotency_key_in_use"
        finally:
            go_on.set()
        assert first.result() == {}
    assert add(engine) == {}


def test_many_at_once_write_once(engine, add):
    def once(_):
        try:
            return add(engine)["version"]
        except AlreadyExists as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(once, range(40)))
    assert len(answers - {"idempotency_key_in_use"}) == 1
    assert written(engine) == (1, 1, 1)


def test_first_add_is_one_message_and_no_other_does_more(engine):
    store, new = store_of(engine), schemas.new_link("alice", {"url": URL, "tags": ["a", "日本"]})
    write = Write.of("alice", "k", "add_link", URL)
    with asked() as said:
        first = store.add_once(write, new, 9, hours=24)
    assert len(said) == 1
    with asked() as said:
        assert store.add_once(write, new, 9, hours=24) == first
    assert [statement.count("INSERT") for statement in said[1:]] == [0]
    with asked() as said:
        assert store.keys.once(Write.of("alice", "other", "w", ""), dict, hours=24) == {}
    assert len(said) == 2  # it is taken, and kept


@contextmanager
def turn_of(engine, owner):
    """Hold an owner's turn, and let one session wait for it."""
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(statements.LOCK_OWNER, {"owner": owner})
        yield connection


def waiting(engine):
    """Return the process ids of the sessions that wait for a lock."""
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with engine.connect() as connection:
        return connection.scalars(text(query)).all()


def test_add_that_waits_has_the_key_and_leaves_nothing_when_it_is_killed(engine, add):
    with ThreadPoolExecutor() as pool, turn_of(engine, "alice") as holder:
        first = pool.submit(add, engine)
        until(lambda: waiting(engine), 10)
        with pytest.raises(AlreadyExists) as refusal:
            add(engine)
        assert refusal.value.code == "idempotency_key_in_use"
        for pid in waiting(engine):
            holder.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
        with pytest.raises(OperationalError):
            first.result(10)
    assert written(engine) == (0, 0, 0)
    assert add(engine) == add(engine)
    assert written(engine) == (1, 1, 1)


def test_answer_is_seen_by_who_comes_as_it_is_committed(engine, add):
    """Whoever asks at that very moment is told to wait, or answered; and never refused the link."""

    def ask(_):
        together.wait(10)
        for url in range(20):
            answers.add((url, once(str(url))))

    def once(key):
        try:
            return add(engine, key=key, url=f"{URL}/{key}")["version"]
        except AlreadyExists as refusal:
            return refusal.code

    together, answers = threading.Barrier(4), set()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    done = {answer for answer in answers if answer[1] != "idempotency_key_in_use"}
    assert len(done) == 20
    assert "link_exists" not in dict(done).values()
    assert written(engine) == (20, 20, 20)


def test_session_that_is_killed_before_the_commit_leaves_nothing(engine, add):
    store = store_of(engine)

    def dies():
        store.add(schemas.new_link("alice", {"url": URL}), quota=10)
        pid = store.session.scalar(text("SELECT pg_backend_pid()"))
        with engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({pid})"))
        store.session.scalar(text("SELECT 1"))

    with pytest.raises(OperationalError):
        store.keys.once(Write.of("alice", "k", "add_link", {"url": URL}), dies, hours=24)
    assert written(engine) == (0, 0, 0)
    add(engine)
    assert written(engine) == (1, 1, 1)


@pytest.fixture(scope="module")
def graph(postgres):
    with service_database.migrated(postgres, "social_graph_svc", "social_graph_keys") as engine:
        yield engine


def graph_once(engine, what, change, *arguments):
    session = Session(engine, expire_on_commit=False)
    dispatcher = EventDispatcher("f", graph_models.OutboxEvent, graph_models.OutboxLease)
    store = FollowStore(session, dispatcher.dispatch_for(session))
    write = Write.of("alice", f"a {what}", what, arguments)
    return store.keys.once(write, lambda: getattr(store, what)(change), hours=24)


def test_follow_and_block_are_done_once_with_their_event(graph):
    changes = (("add", Follow("alice", "bob")), ("block", Block("alice", "bob")))
    for what, change in changes:
        for _ in range(3):
            assert graph_once(graph, what, change) is None
    tables = (graph_models.FollowRow, graph_models.BlockRow, graph_models.IdempotencyKey)
    assert [count(graph, table) for table in tables] == [0, 1, 2]
    assert count(graph, graph_models.OutboxEvent) == 2  # followed, and followed no more
    assert graph_once(graph, "add", changes[0][1]) is None  # answered as before, and not done
    with pytest.raises(AlreadyExists) as refusal:
        graph_once(graph, "add", Follow("alice", "eve"), "another")
    assert refusal.value.code == "idempotency_key_reused"
    assert count(graph, graph_models.FollowRow) == 0


def age(engine, hours):
    old = func.clock_timestamp() - timedelta(hours=hours)
    with engine.begin() as connection:
        connection.execute(update(IdempotencyKey).values(created_at=old))


def test_key_has_its_time_also_before_it_is_deleted(engine, add):
    add(engine)
    age(engine, 23.9)
    assert add(engine)["url"] == URL
    age(engine, 24.1)
    add(engine, url=URL + "2")
    assert written(engine) == (2, 2, 1)


def test_old_keys_are_deleted_in_batches_and_no_other(engine, monkeypatch, add):
    monkeypatch.setattr(idempotency, "BATCH_ROWS", 2)
    for number in range(5):
        add(engine, key=str(number), url=f"{URL}{number}")
    age(engine, 25)
    add(engine, key="young", url=URL)
    assert store_of(engine).keys.forget(24) == 5
    assert store_of(engine).keys.forget(24) == 0
    assert written(engine) == (6, 6, 1)
    monkeypatch.setattr(idempotency, "BATCHES", 2)
    for number in range(5):
        add(engine, key=str(number), url=f"{URL}-{number}")
    age(engine, 25)
    assert store_of(engine).keys.forget(24) == 4


def test_replicas_do_not_delete_the_same_rows_twice(engine, add):
    add(engine)
    age(engine, 25)
    with engine.begin() as connection:
        connection.execute(text("SELECT FROM idempotency_keys FOR UPDATE"))
        assert store_of(engine).keys.forget(24) == 0
    assert store_of(engine).keys.forget(24) == 1
