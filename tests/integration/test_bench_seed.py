"""What the benchmark seeds is what the product would have written."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.seed import collection, people
from chassis.errors import AlreadyExists, LimitExceeded
from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import schemas
from link_svc.listing import Query
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from link_svc.visibility import Audience
from social_graph_svc import domain as follows
from social_graph_svc import models as follow_models
from social_graph_svc.store import FollowStore
from tests.integration.service_database import migrated

TAGS = [["a"], ["a", "b"], [], [collection.SELDOM], ["b"]]
COPIES = 4
LINKS = len(TAGS) + COPIES * (len(TAGS) - 1)
PEOPLE = people.names(50)


@pytest.fixture(scope="module")
def links(postgres: PostgresServer) -> Iterator[LinkStore]:
    """Return a store in which alice's links are written, and bob's are seeded besides."""
    with migrated(postgres, "link_svc", "bench_links") as engine, Session(engine) as session:
        events = EventDispatcher("link-events", OutboxEvent, OutboxLease)
        store = LinkStore(session, events.dispatch_for(session))
        for owner in ("alice", "bob"):
            for number, tags in enumerate(TAGS):
                add(store, owner, f"https://example.org/{number}", tags, number)
        execute = partial(postgres.execute, database="bench_links")
        collection.multiply(execute, "bob", COPIES)
        collection.tidy(execute)
        # The same by the product.
        for copy in range(1, COPIES + 1):
            for number, tags in enumerate(TAGS):
                if collection.SELDOM not in tags:
                    add(store, "alice", f"https://example.org/{number}.{copy}", tags, number)
        yield store


def add(store: LinkStore, owner: str, url: str, tags: list[str], number: int) -> None:
    visibility = "private" if number == 0 else "followers"
    document = {"url": url, "title": f"Link {number}", "tags": tags, "visibility": visibility}
    store.add(schemas.new_link(owner, document), quota=1000)


def walk(store: LinkStore, query: Query) -> list[str]:
    found = []
    while True:
        page = store.page(query)
        found += [link["url"] for link in page.links]
        if page.next is None:
            return found
        query = replace(query, after=page.next)


def ask(store: LinkStore, statement: str, **values: object) -> list[tuple[object, ...]]:
    with Session(store.session.bind) as session:
        return [tuple(row) for row in session.execute(text(statement), values)]


def rows(store: LinkStore, table: str, *own: str) -> list[list[tuple[object, ...]]]:
    """Return alice's rows and bob's, without what is each row's own."""
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = :table"
    names = {str(name) for (name,) in ask(store, query, table=table)} - {"owner", *own}
    cells = ", ".join(f"{name}::text" for name in sorted(names))
    query = f"SELECT {cells} FROM {table} WHERE owner = :owner ORDER BY {cells}"
    return [ask(store, query, owner=owner) for owner in ("alice", "bob")]


TIMES = ("created_at", "updated_at", "changed_at", "words_at")


@pytest.mark.parametrize(
    ("table", "own"),
    [
        ("links", ("id", "words", *TIMES)),  # the words of a copy lack its number
        ("link_tags", ("link_id", *TIMES)),
        ("owners", ("version", *TIMES)),  # of the events, of which copies have none
    ],
)
def test_seeded_rows_are_those_that_the_product_writes(
    links: LinkStore, table: str, own: tuple[str, ...]
) -> None:
    written, seeded = rows(links, table, *own)
    assert seeded == written


def test_seeded_links_are_listed_in_the_order_of_their_ids(links: LinkStore) -> None:
    for filters in ({}, {"tags": frozenset({"a"})}, {"audience": Audience.FOLLOWER}):
        written = walk(links, Query("alice", page_size=3, **filters))
        seeded = walk(links, Query("bob", page_size=3, **filters))
        assert seeded == written
        assert len(seeded) > COPIES
    by_id = ask(links, "SELECT url FROM links WHERE owner = 'bob' ORDER BY id")
    assert [url for (url,) in by_id] == walk(links, Query("bob"))


def test_seeded_links_have_words_so_that_no_work_is_left(links: LinkStore) -> None:
    assert not ask(links, "SELECT id FROM links WHERE words_at IS DISTINCT FROM updated_at")
    found = "SELECT url FROM links WHERE owner = 'bob' AND words = ANY(SELECT words FROM links"
    copies = ask(links, f"{found} WHERE owner = 'bob' AND url = 'https://example.org/1')")
    assert len(copies) == 1 + COPIES


def test_nothing_seeded_is_in_the_future_or_waits_to_be_published(links: LinkStore) -> None:
    late = "SELECT url FROM links WHERE created_at > now() OR updated_at > now()"
    assert not ask(links, late)
    waiting = ask(links, "SELECT id FROM outbox WHERE subject = 'bob'")
    assert len(waiting) == len(TAGS) - 1  # of the originals, without the private one


def test_seeded_links_count_for_the_quota_and_are_unique(links: LinkStore) -> None:
    again = schemas.new_link("bob", {"url": "https://example.org/1.3"})
    with pytest.raises(AlreadyExists):
        links.add(again, quota=1000)
    with pytest.raises(LimitExceeded):
        links.add(schemas.new_link("bob", {"url": "https://example.org/new"}), quota=LINKS)


def test_followers_are_the_same_every_time_and_fewer_by_rank() -> None:
    graph = people.followers(PEOPLE)
    assert graph == people.followers(PEOPLE)
    counts = [len(graph[name]) for name in PEOPLE]
    assert counts[:4] == [49, 24, 16, 12]
    assert counts == sorted(counts, reverse=True)
    assert all(name not in who and len(set(who)) == len(who) for name, who in graph.items())


def test_seeded_followers_are_follows_as_any_other(postgres: PostgresServer) -> None:
    graph = people.followers(PEOPLE)
    with migrated(postgres, "social_graph_svc", "bench_graph") as engine:
        people.follow(partial(postgres.execute, database="bench_graph"), graph)
        with Session(engine) as session:
            events = EventDispatcher(
                "follow-events", follow_models.OutboxEvent, follow_models.OutboxLease
            )
            store = FollowStore(session, events.dispatch_for(session))
            follow = follows.Follow(graph[PEOPLE[1]][0], PEOPLE[1])
            with pytest.raises(AlreadyExists):
                store.add(follow)
            store.remove(follow)
            query = text("SELECT version FROM follow_versions WHERE follower = :who")
            version = session.execute(query, {"who": follow.follower}).scalar_one()
        assert version == sum(follow.follower in who for who in graph.values()) + 1
