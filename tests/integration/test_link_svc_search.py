"""Searches in PostgreSQL: what is kept of a link, and what is found."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import models, schemas
from link_svc.domain import Link
from link_svc.listing import Position, Query
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.search.words import prefix
from link_svc.store import LinkStore
from link_svc.visibility import Audience, Visibility
from link_svc.walks import Walk
from tests.fakes.link_svc import matches
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


TITLES = (
    "Naïve bus",
    "the bus stop",
    "Message Bus",
    "stop",
    "Go: go",
    "漢字の本",
    "bus",
    "Business",
)
TERMS = (
    *("bus", "stop", "go", "字の", "naive", "bus*", "busi*", '"bus stop"', '"stop the"', "nowhere"),
    *("#bus", '#"two words"', "site:example.org", "site:docs.example.org", "site:org"),
    *("after:2000", "before:2000", "before:2200", "example", "page*"),
)


def a_query(chance: random.Random, depth: int = 2) -> str:
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(("", "", "-")) + chance.choice(TERMS)
    parts = [a_query(chance, depth - 1) for _ in range(chance.randint(2, 3))]
    inner = chance.choice((" ", " or ", " and ")).join(parts)
    return chance.choice(("", "-")) + f"({inner})"


def filled(store: LinkStore, chance: random.Random, count: int) -> list[Link]:
    """Add links of alice's and of bob's; return hers, in order."""
    links = []
    for number in range(count):
        host = chance.choice(("example.org", "docs.example.org", "example.com"))
        document: Any = {
            "url": f"https://{host}/page{number}?q=a%20b",
            "title": chance.choice(TITLES),
            "description": chance.choice(("", "stop the bus", "page")),
            "tags": chance.sample(["bus", "go", "two words"], chance.randint(0, 2)),
            "visibility": chance.choice(list(Visibility)),
        }
        store.add(schemas.new_link("bob", document), 1000)
        links.append(store.add(schemas.new_link("alice", document), 1000))
    return links


def found(store: LinkStore, audience: Audience, **query: Any) -> list[str]:
    """Return the URLs of all pages."""
    seen, token = [], ""
    while True:
        wanted = schemas.query("alice", {**query, "start_token": token}, audience)  # type: ignore
        page = schemas.page(wanted, store.page(wanted))
        seen += [link["url"] for link in page["links"]]
        token = page["next_token"]
        if not token:
            return seen


def test_searches_find_what_the_model_finds(store: LinkStore) -> None:
    chance = random.Random(7)
    links = filled(store, chance, 60)
    sizes = set()
    for _ in range(60):
        audience, order = chance.choice(list(Audience)), chance.choice(("oldest", "newest"))
        filters: Any = {"q": a_query(chance), "order": order}
        if chance.random() < 0.3:
            filters["tag"] = "bus"
        if chance.random() < 0.2:
            filters["title_regex"] = "(?i)b"
        query = schemas.query("alice", filters, audience)
        expected = [link.url for link in links if matches(query, link)]
        expected = expected if order == "oldest" else expected[::-1]
        size = chance.choice((7, 100))
        assert found(store, audience, **filters, page_size=size) == expected, filters
        sizes.add(len(expected))
    assert len(sizes) > 9  # neither always nothing nor always all


def test_words_follow_a_change_of_who_may_see_them(store: LinkStore) -> None:
    add(store, title="Secret", visibility="private")
    assert found(store, Audience.FOLLOWER, q="secret") == []
    store.update(schemas.changes("alice", {"url": URL, "visibility": "public"}))
    assert found(store, Audience.ANYONE, q="secret") == [URL]
    store.update(schemas.changes("alice", {"url": URL, "visibility": "private"}))
    assert found(store, Audience.ANYONE, q="secret") == []
    assert found(store, Audience.OWNER, q="secret") == [URL]


def test_a_token_is_for_its_search(store: LinkStore) -> None:
    for number in range(3):
        add(store, f"https://example.org/{number}", title="T")
    wanted = schemas.query("alice", {"q": "t", "page_size": 1})
    token = schemas.page(wanted, store.page(wanted))["next_token"]
    same = schemas.query("alice", {"q": " T ", "page_size": 1, "start_token": token})
    assert len(store.page(same).links) == 1
    with pytest.raises(Exception, match="start_token"):
        schemas.query("alice", {"q": "t or t", "start_token": token})


SMALL, LARGE = 2_000, 10_000


@pytest.fixture(scope="module")
def many(engine: Engine, postgres: PostgresServer) -> Engine:
    """Make two collections that differ in size alone, among as many links of others."""
    service_database.empty(engine, models.Base.metadata)
    statement = (
        "INSERT INTO links (owner, url, title, description, tags, created_at, updated_at, words,"
        " words_at) SELECT owner, 'https://example.org/' || n, 't', '', tags, at, at,"
        " to_tsvector('simple', '') || array_to_tsvector(ARRAY[mark || 'common',"
        " mark || CASE WHEN n IN (900, 1800) THEN 'rare' ELSE 'usual' END,"
        " mark || CASE WHEN n <= 20 THEN 'early' ELSE 'late' END,"
        " mark || '#' || tags[1]]), at FROM generate_series(1, %(size)s) AS n,"
        " LATERAL (SELECT CASE WHEN n %% 2 = 0 THEN %(owner)s ELSE 'u' || n %% 999 END AS owner,"
        " CASE WHEN n %% 2 = 0 THEN %(mark)s ELSE 'other' END AS mark, ARRAY['even',"
        " CASE WHEN n %% 600 = 0 THEN 'few' ELSE 'most' END] AS tags,"
        " timestamptz '2026-01-01' + n * interval '1 second' AS at) AS row"
    )
    with engine.begin() as connection:
        for owner, size in (("small", 2 * SMALL), ("large", 2 * LARGE)):
            mark = prefix(owner, "followers")
            values = {"size": size, "owner": owner, "mark": mark}
            connection.exec_driver_sql(statement.replace("'https", f"'{owner}' || 'https"), values)
        connection.exec_driver_sql(
            "INSERT INTO link_tags (owner, tag, created_at, link_id)"
            " SELECT owner, unnest(tags), created_at, id FROM links"
        )
    connection = postgres.connect("link_search")
    connection.autocommit = True
    connection.cursor().execute("VACUUM (ANALYZE) links")
    connection.cursor().execute("VACUUM (ANALYZE) link_tags")
    connection.close()
    return engine


def cost(engine: Engine, owner: str, position: int | None, **document: Any) -> tuple[int, str]:
    """Return how many of PostgreSQL's blocks a page takes, and its plan."""
    query: Query = schemas.query(owner, document, document.pop("audience", "owner"))
    with engine.connect() as connection:
        after = None
        if position is not None:
            place = text(
                "SELECT created_at, id FROM links WHERE owner = :owner ORDER BY"
                " created_at, id OFFSET :position LIMIT 1"
            )
            after = Position(
                *connection.execute(place, {"owner": owner, "position": position}).one()
            )
        walk = Walk(query, after, 11)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {walk.sql}"
        (plan,) = connection.exec_driver_sql(explain, walk.values).scalar_one()
    top = plan["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], json.dumps(top, indent=1)


@pytest.mark.parametrize(
    ("document", "most"),
    [
        ({}, 20),
        ({"order": "newest"}, 20),
        ({"audience": "follower"}, 30),
        ({"visibility": "followers"}, 20),
        ({"tag": "even"}, 80),
        ({"tag": "few"}, 80),
        ({"tag": ["even", "few"]}, 120),
        ({"tag": ["even", "most"]}, 120),
        ({"q": "common"}, 60),
        ({"q": "rare"}, 150),
        ({"q": "rare", "audience": "follower"}, 150),
        ({"q": "common -usual"}, 150),
        ({"q": "nowhere"}, 150),
        ({"q": "early"}, 80),
        ({"q": "common", "order": "newest"}, 60),
        ({"q": "before:2030 common"}, 60),
        ({"title_regex": "t"}, 60),
        ({"title_regex": "nowhere"}, 150),
        ({"url_regex": "(?i)nowhere|more", "audience": "follower"}, 150),
    ],
    ids=str,
)
def test_a_page_costs_the_same_however_large_the_collection_is(
    many: Engine, document: dict[str, Any], most: int
) -> None:
    for owner, size in (("small", SMALL), ("large", LARGE)):
        for position in (None, size - 20):
            if position and document.get("q") in ("rare", "early"):
                continue
            blocks, plan = cost(many, owner, position, **document)
            assert "Seq Scan" not in plan
            assert blocks <= most, plan
