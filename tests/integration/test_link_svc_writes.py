"""Writes of links: how often the database is asked, and what happens at once."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from chassis.database.idempotency import Write
from chassis.errors import ServiceError
from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import bulk, schemas
from link_svc.models import Base, OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.integration import service_database
from tests.integration.asked import asked

URL = "https://example.com/a"
DISPATCHER = EventDispatcher("link-events", OutboxEvent, OutboxLease)


@pytest.fixture(scope="module")
def migrated(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "link_svc", "link_writes") as engine:
        yield engine


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    service_database.empty(migrated, Base.metadata)
    return migrated


@pytest.fixture
def store(engine: Engine) -> LinkStore:
    return a_store(engine)


def a_store(engine: Engine) -> LinkStore:
    session = Session(engine, expire_on_commit=False)
    return LinkStore(session, DISPATCHER.dispatch_for(session))


def add(store: LinkStore, url: str = URL, **fields: Any) -> schemas.LinkDoc:
    return schemas.dump(store.add(schemas.new_link("alice", {"url": url, **fields}), 999))


def update(store: LinkStore, **fields: Any) -> schemas.LinkDoc:
    return schemas.dump(store.update(schemas.changes("alice", {"url": URL, **fields})))


def delete(store: LinkStore) -> schemas.LinkDoc:
    return schemas.dump(store.delete(schemas.key("alice", URL)))


def told(engine: Engine) -> list[tuple[str, Any]]:
    with engine.connect() as connection:
        rows = connection.execute(select(OutboxEvent).order_by(OutboxEvent.id))
        return [(row.type, row.data["link"]) for row in rows]


def test_each_change_is_one_statement_with_its_event(engine: Engine, store: LinkStore) -> None:
    with asked() as said:
        added = add(store, tags=["b", "日本"], title="T 🙂", description='"\\\n')
    assert len(said) == 1
    with asked() as said:
        updated = update(store, title="New", add_tags=["c"], remove_tags=["b"])
    assert len(said) == 2  # read, and changed if it is still the same
    with asked() as said:
        deleted = delete(store)
    assert len(said) == 1
    # An event has the link as the answer has it.
    assert told(engine) == [
        ("link.added", added),
        ("link.updated", updated),
        ("link.deleted", deleted),
    ]


def test_two_changes_at_once_leave_the_index_of_tags_as_the_links_are(engine: Engine) -> None:
    add(a_store(engine))

    def work(seed: int) -> None:
        chance, store = random.Random(seed), a_store(engine)
        for _ in range(15):
            tags = chance.sample("abcdef", 3)
            update(
                store,
                add_tags=tags[:2],
                remove_tags=tags[2:],
                visibility=chance.choice(["public", "private"]),
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with engine.connect() as connection:
        link = connection.execute(text("SELECT tags, visibility FROM links")).one()
        index = connection.execute(text("SELECT tag, visibility FROM link_tags ORDER BY tag")).all()
    assert [(tag, link.visibility) for tag in link.tags] == [tuple(row) for row in index]


def test_a_link_that_others_keep_changing_is_changed_all_the_same(
    engine: Engine, store: LinkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store)
    read = store._updated

    def updated(row: Any, *arguments: Any) -> Any:
        if not store.session.in_transaction():  # who is about to change it comes too late
            update(a_store(engine), add_tags=[f"t{row.revision}"])
        return read(row, *arguments)

    monkeypatch.setattr(store, "_updated", updated)
    assert update(store, title="At last")["tags"] == ["t1", "t2", "t3"]
    assert [link["title"] for _, link in told(engine)][-1] == "At last"


def test_first_batches_of_one_owner_do_not_meet(engine: Engine) -> None:
    documents = [{"action": "add", "url": f"{URL}/{n}"} for n in range(20)]
    wanted = bulk.changes("alice", documents)

    def work(n: int) -> list[bulk.ResultDoc]:
        store = a_store(engine)
        write = Write.of("alice", f"key {n}", "change_links", documents)
        return store.keys.once(write, lambda: bulk.make("alice", wanted, store, 999), 1)

    with ThreadPoolExecutor(4) as pool:
        results = [each for batch in pool.map(work, range(4)) for each in batch]
    assert sum("link" in each for each in results) == 20
    assert sum(each.get("error", [""] * 2)[1] == "link_exists" for each in results) == 60
    assert len(told(engine)) == 20


def test_a_refusal_leaves_nothing_behind(engine: Engine, store: LinkStore) -> None:
    add(store)
    with engine.connect() as connection:
        before = connection.execute(text("SELECT * FROM owners")).all()
    with pytest.raises(ServiceError):
        add(store)
    with pytest.raises(ServiceError):
        store.delete(schemas.key("alice", URL), frozenset({"0-0"}))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM owners")).all() == before
    assert len(told(engine)) == 1


@pytest.mark.parametrize("owners", [1, 64])
def test_sixty_four_writers_at_once_and_none_fails(engine: Engine, owners: int) -> None:
    few = service_database.engine_at(engine.url, pool_size=10, max_overflow=0, pool_timeout=30)

    def work(n: int) -> None:
        store = a_store(few)
        for each in range(3):
            owner = f"writer{n % owners}"
            store.add(schemas.new_link(owner, {"url": f"{URL}/{n}/{each}"}), 999)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(work, range(64)))
    few.dispose()
    assert len({link["url"] for _, link in told(engine)}) == len(told(engine)) == 64 * 3
    with engine.connect() as connection:
        counts = connection.execute(text("SELECT count(*), sum(link_count) FROM owners")).one()
    assert tuple(counts) == (owners, 64 * 3)


def test_a_batch_of_adds_is_one_statement_and_judges_each(engine: Engine, store: LinkStore) -> None:
    add(store, f"{URL}/0")
    news = [schemas.new_link("alice", {"url": f"{URL}/{n % 6}", "tags": ["t"]}) for n in range(9)]
    with asked() as said:
        results = store.add_all(news, 5)
    assert len(said) == 1
    codes = [getattr(each, "code", "") for each in results]
    assert codes == ["link_exists", "", "", "", "", "too_many_links", *["link_exists"] * 3]
    assert [link["url"] for _, link in told(engine)] == [f"{URL}/{n}" for n in range(5)]


def test_adds_that_follow_each_other_are_one_statement(store: LinkStore) -> None:
    def made(*documents: dict[str, Any]) -> list[str]:
        results = bulk.make("alice", bulk.changes("alice", list(documents)), store, 999)
        return [each.get("error", ["", ""])[1] for each in results]

    adds = [{"action": "add", "url": f"{URL}/{n}"} for n in range(20)]
    wrong, gone = {"action": "add", "url": "nothing"}, {"action": "delete", "url": f"{URL}/3"}
    with asked() as said:
        assert made(*adds[:10], wrong, *adds[10:]) == [*[""] * 10, "invalid_url", *[""] * 10]
    assert len(said) == 1
    with asked() as said:
        assert made(*adds[:5], gone, *adds[:5]) == [
            *["link_exists"] * 5,
            "",
            *["link_exists"] * 3,
            *["", "link_exists"],
        ]
    assert len(said) == 4  # the turn, adds, the deletion, adds
