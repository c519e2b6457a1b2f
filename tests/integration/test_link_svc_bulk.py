"""Many changes in one call are the same changes one by one, on the fake and in PostgreSQL."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from chassis.errors import ServiceError
from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import bulk, schemas
from link_svc.domain import Link, NewLink
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.fakes.link_svc import FakeLinkStore
from tests.integration import service_database

QUOTA = 4
NUMBERS = count()
DISPATCHER = EventDispatcher("link-events", OutboxEvent, OutboxLease)
BOOKS = """
    SELECT json_build_object(
        'counts', coalesce((SELECT ARRAY[link_count, private_count, public_count]
                              FROM owners WHERE owner = :owner), ARRAY[0, 0, 0]),
        'tags', (SELECT json_agg(ARRAY[tag, links.url, link_tags.visibility]
                                 ORDER BY tag, link_tags.created_at, link_id)
                   FROM link_tags JOIN links ON links.id = link_id
                  WHERE link_tags.owner = :owner),
        'links', (SELECT count(*) FROM links WHERE owner = :owner))
"""
EVENTS = "SELECT type, data FROM outbox WHERE subject = :owner ORDER BY id"


class Database:
    """Stores of one database, and what it holds of somebody."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def store(self) -> LinkStore:
        session = Session(self.engine, expire_on_commit=False)
        return LinkStore(session, DISPATCHER.dispatch_for(session))

    def events(self, owner: str) -> list[tuple[str, Any]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(EVENTS), {"owner": owner})]

    def books(self, owner: str) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(text(BOOKS), {"owner": owner})


class Memory:
    """The same of the fake."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self._store: Any = FakeLinkStore(lambda *event: self.told.append(event))

    def store(self) -> LinkStore:
        store: LinkStore = self._store
        return store

    def events(self, owner: str) -> list[tuple[str, Any]]:
        return [(kind, data) for kind, subject, data in self.told if subject == owner]

    def books(self, owner: str) -> Any:
        return None


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Database]:
    with service_database.migrated(postgres, "link_svc", "link_bulk") as engine:
        yield Database(engine)


@pytest.fixture(params=["memory", "database"])
def home(request: pytest.FixtureRequest) -> Any:
    return Memory() if request.param == "memory" else request.getfixturevalue("database")


def url(number: int) -> str:
    return f"https://example.com/{number}"


urls = st.integers(0, 5).map(url)
fields = st.fixed_dictionaries(
    {"url": urls | st.just("nothing")},
    optional={
        "title": st.sampled_from(["", "T", "U"]),
        "visibility": st.sampled_from(["private", "followers", "public", "nobody"]),
        "version": st.sampled_from(["0-0", 7]),
    },
)
tags = st.lists(st.sampled_from(["a", "b", "c"]), unique=True)
change = st.one_of(
    st.builds(lambda each, tags: {**each, "action": "add", "tags": tags}, fields, tags),
    st.builds(
        lambda each, come, go: {
            **each,
            "action": "update",
            "add_tags": come,
            "remove_tags": go,
        },
        fields,
        tags,
        tags,
    ),
    st.builds(lambda each: {**each, "action": "delete"}, fields),
    st.just("add"),
)


def alone(store: LinkStore, owner: str, document: Any) -> bulk.ResultDoc:
    """Make a change by itself."""
    (wanted,) = bulk.changes(owner, [document])
    try:
        if isinstance(wanted, NewLink):
            return {"link": store.add(wanted, QUOTA).document()}
        if isinstance(wanted, ServiceError):
            raise wanted
        made: Link = wanted(store)
        return {"link": made.document()}
    except ServiceError as error:
        return {"error": [type(error).__name__, error.code, error.message, error.field]}


def seen(home: Any, owner: str, results: list[bulk.ResultDoc]) -> Any:
    """Return all that can be known of somebody's links, without times and numbers of rows."""
    query = schemas.query(owner, {"page_size": 100})
    events = home.events(owner)
    before = events[0][1]["version"] if events else 0
    told = [(kind, data["link"], data["version"] - before) for kind, data in events]
    links = home.store().page(query).links
    ids: dict[str, int] = {}

    def plain(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = {name: each for name, each in value.items() if not name.endswith("ed_at")}
        if "version" in value:
            id_, _, revision = value["version"].partition("-")
            value["version"] = (ids.setdefault(id_, len(ids)), revision)
        return value

    found: Any = [results, told, links]
    return json.loads(json.dumps(found), object_hook=plain), home.books(owner)


ADD, AGAIN = {"action": "add", "url": url(0)}, {"action": "add", "url": url(0), "title": "T"}


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(before=[], changes=[ADD, AGAIN, {"action": "delete", "url": url(0)}, AGAIN, ADD])
@example(before=[ADD], changes=[{"action": "add", "url": url(n)} for n in (1, 0, 2, 2, 3, 4, 0, 4)])
@example(before=[], changes=[ADD, {"action": "update", "url": url(0), "title": "U"}, AGAIN])
@example(before=[ADD], changes=[{"action": "update", "url": url(0), "add_tags": ["a"]}])
@given(before=st.lists(change, max_size=6), changes=st.lists(change, min_size=1, max_size=12))
def test_many_changes_are_the_same_changes_one_by_one(
    home: Any, before: list[Any], changes: list[Any]
) -> None:
    number = next(NUMBERS)
    both = many, each = f"many{number}", f"each{number}"
    for owner in both:
        for document in before:
            alone(home.store(), owner, document)
    together = bulk.make(many, bulk.changes(many, changes), home.store(), QUOTA)
    by_one = [alone(home.store(), each, document) for document in changes]
    assert seen(home, many, together) == seen(home, each, by_one)
