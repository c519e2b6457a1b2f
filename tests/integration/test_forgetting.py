"""Links and follows of people who leave, in PostgreSQL: all of theirs, and nobody else's."""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

import link_svc.forgetting
import link_svc.models
import social_graph_svc.forgetting
import social_graph_svc.models
from chassis.database.idempotency import Write
from chassis.errors import Unavailable
from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import schemas
from link_svc.store import LinkStore
from social_graph_svc.domain import Follow
from social_graph_svc.store import FollowStore
from tests.integration import service_database

REMOVAL, ANOTHER = uuid.UUID(int=1), uuid.UUID(int=2)


class Subject:
    """The tables of a service, and its store."""

    def __init__(self, engine: Engine, models: Any, store: Any) -> None:
        self.engine, self.models, self.store_cls = engine, models, store

    def store(self) -> Any:
        session = Session(self.engine, expire_on_commit=False)
        dispatcher = EventDispatcher("e", self.models.OutboxEvent, self.models.OutboxLease)
        return self.store_cls(session, dispatcher.dispatch_for(session))

    def events(self) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT type, subject, data FROM outbox")))

    def publish(self) -> None:
        """Do what the relay does in the end."""
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM outbox"))

    def count(self, table: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(text(table))) or 0)

    def everything(self) -> str:
        with self.engine.connect() as connection:
            tables = self.models.Base.metadata.tables
            rows = " UNION ALL ".join(f"SELECT {name}::text FROM {name}" for name in tables)
            return "\n".join(connection.scalars(text(rows)))


@pytest.fixture(scope="module")
def links_engine(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "link_svc", "links_forgotten") as engine:
        yield engine


@pytest.fixture(scope="module")
def follows_engine(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "social_graph_svc", "follows_forgotten") as engine:
        yield engine


@pytest.fixture
def links(links_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(link_svc.forgetting, "_AT_ONCE", 3)
    service_database.empty(links_engine, link_svc.models.Base.metadata)
    return Subject(links_engine, link_svc.models, LinkStore)


@pytest.fixture
def follows(follows_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(social_graph_svc.forgetting, "_AT_ONCE", 3)
    service_database.empty(follows_engine, social_graph_svc.models.Base.metadata)
    return Subject(follows_engine, social_graph_svc.models, FollowStore)


def add(links: Subject, owner: str, *numbers: int) -> None:
    for number in numbers:
        new = {"url": f"https://{owner}.example/{number}", "tags": ["a", "b"]}
        links.store().add(schemas.new_link(owner, new), 1000)


def follow(follows: Subject, *pairs: tuple[str, str]) -> None:
    for pair in pairs:
        follows.store().add(Follow(*pair))


def keep_keys(subject: Subject, *owners: str) -> None:
    for owner in owners:
        write = Write.of(owner, "k", "write", owner)
        subject.store().keys.once(write, lambda: None, hours=24)


def refused(subject: Subject, code: str, settled: bool) -> None:
    with pytest.raises(Unavailable) as refusal:
        subject.store().forget(REMOVAL, "bobby", settled)
    assert refusal.value.code == code


def test_links_go_at_once_and_it_is_done_when_their_events_are_published(links: Subject) -> None:
    add(links, "bobby", *range(7))
    add(links, "eve", 1)
    links.store().set_default_visibility("bobby", "private")
    keep_keys(links, "bobby", "eve")
    refused(links, "requests_under_way", settled=False)
    assert links.count("links") == 1
    add(links, "bobby", 8)  # by a request that had begun
    refused(links, "events_under_way", settled=True)
    assert links.count("forgotten") == 0
    links.publish()
    links.store().forget(REMOVAL, "bobby", True)
    assert "bobby" not in links.everything()
    tables = ("links", "owners", "forgotten", "idempotency_keys")
    assert [links.count(table) for table in tables] == [1] * 4


def test_follows_go_from_both_ends_and_followers_are_told_without_a_name(follows: Subject) -> None:
    fans = [f"fan{number}" for number in range(5)]
    follow(follows, *((fan, "bobby") for fan in fans), ("bobby", "eve"), ("eve", "fan1"))
    keep_keys(follows, "bobby", "eve")
    refused(follows, "requests_under_way", settled=False)
    refused(follows, "events_under_way", settled=True)  # those of the follows themselves
    lapsed = [row for row in follows.events() if row.type == "follow.lapsed"]
    assert sorted(row.subject for row in lapsed) == fans
    assert "bobby" not in str(lapsed)
    follows.publish()
    follows.store().forget(REMOVAL, "bobby", True)
    assert "bobby" not in follows.everything()
    tables = ("follows", "forgotten", "idempotency_keys")
    assert [follows.count(table) for table in tables] == [1] * 3


def test_it_waits_for_the_followers_to_be_told(follows: Subject) -> None:
    follow(follows, ("fan", "bobby"))
    follows.publish()
    refused(follows, "events_under_way", settled=True)
    assert [row.type for row in follows.events()] == ["follow.lapsed"]
    follows.publish()
    follows.store().forget(REMOVAL, "bobby", True)
    assert follows.count("forgotten") == 1


def test_whoever_has_the_name_next_loses_nothing_to_a_removal_told_again(
    links: Subject, follows: Subject
) -> None:
    for subject in (links, follows):
        subject.store().forget(REMOVAL, "bobby", True)
    add(links, "bobby", 1, 2)
    follow(follows, ("bobby", "eve"), ("eve", "bobby"))
    for subject, table in ((links, "links"), (follows, "follows")):
        subject.store().forget(REMOVAL, "bobby", True)
        assert subject.store()._delete_some(REMOVAL, "bobby") is False  # a frozen one goes on
        assert subject.count(table) == 2
        subject.publish()
        # ... until they leave, too.
        with pytest.raises(Unavailable):
            subject.store().forget(ANOTHER, "bobby", False)
        assert subject.count(table) == 0


def test_links_that_are_added_meanwhile_go_as_well_with_their_counters(links: Subject) -> None:
    """An add that is under way comes before the end, or after it: with an owner's row."""
    ended = threading.Event()
    added = 0

    def work() -> None:
        nonlocal added
        while not ended.is_set():
            add(links, "bobby", added)
            added += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while added < 40:
            try:
                links.publish()
                links.store().forget(REMOVAL, "bobby", True)
                break
            except Unavailable:
                continue
    finally:
        ended.set()
        thread.join()
    query = "SELECT count(*) FROM links LEFT JOIN owners USING (owner) WHERE owners IS NULL"
    with links.engine.connect() as connection:
        assert connection.scalar(text(query)) == 0
