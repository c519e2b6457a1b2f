"""Searches in PostgreSQL: what is kept of a link, and what is found."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import models, schemas
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.integration import service_database

URL = "https://docs.example.org/a"


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "link_svc", "link_search") as engine:
        yield engine


@pytest.fixture
def store(engine: Engine) -> Iterator[LinkStore]:
    service_database.empty(engine, models.Base.metadata)
    with Session(engine, expire_on_commit=False) as session:
        dispatcher = EventDispatcher("link-events", OutboxEvent, OutboxLease)
        yield LinkStore(session, dispatcher.dispatch_for(session))


def add(store: LinkStore, url: str = URL, owner: str = "alice", **fields: Any) -> None:
    store.add(schemas.new_link(owner, {"url": url, **fields}), 1000)  # type: ignore[typeddict-item]


def words(engine: Engine) -> list[tuple[set[str], bool]]:
    """Return what is kept of each link, without whose it is, and whether that is up to date."""
    query = text("SELECT tsvector_to_array(words), words_at = updated_at FROM links ORDER BY id")
    with engine.connect() as connection:
        return [({word[7:] for word in kept or ()}, now) for kept, now in connection.execute(query)]


def before_words(engine: Engine, change: str) -> None:
    """Change links as a release does that knows nothing of words."""
    with engine.begin() as connection:
        connection.execute(text(change))


def test_the_words_of_a_link_are_kept_with_it(engine: Engine, store: LinkStore) -> None:
    add(store, title="O'Reilly", description="Näh", tags=["it's", "日本"])
    kept = {"o", "reilly", "nah", "it", "s", "日", "本", "docs", "example", "org", "a"}
    more = {"#it's", "#日本", "@docs.example.org", "@example.org", "@org"}
    assert words(engine) == [(kept | more, True)]
    store.update(schemas.changes("alice", {"url": URL, "title": "T", "remove_tags": ["it's"]}))
    assert words(engine) == [((kept | more | {"t"}) - {"o", "reilly", "it", "s", "#it's"}, True)]


def test_links_of_a_release_before_words_get_theirs(engine: Engine, store: LinkStore) -> None:
    for number in range(3):
        add(store, f"https://example.org/{number}", title=f"Title {number}")
    wanted = words(engine)
    assert store.fill_words() == 0
    before_words(engine, "UPDATE links SET words = NULL, words_at = NULL WHERE title LIKE '%1'")
    assert store.fill_words() == 1
    assert words(engine) == wanted
    before_words(engine, "UPDATE links SET title = 'New', updated_at = now() WHERE title LIKE '%2'")
    assert "new" not in words(engine)[2][0]
    assert store.fill_words() == 1
    assert "new" in words(engine)[2][0]
    assert all(up_to_date for _, up_to_date in words(engine))


def test_many_links_get_their_words_in_turns(engine: Engine, store: LinkStore) -> None:
    insertion = (
        "INSERT INTO links (owner, url, title, description, tags, created_at, updated_at)"
        " SELECT 'bob', 'https://example.org/' || n, 'T', '', '{}', now(), now()"
        " FROM generate_series(1, 500) AS n"
    )
    before_words(engine, insertion)
    assert store.fill_words(seconds=0) == 200
    assert store.fill_words() == 300
    assert store.fill_words() == 0
    assert len(words(engine)) == 500
