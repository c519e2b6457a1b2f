"""Links that not everybody may see: listings, counts and events, on the fake and in PostgreSQL."""

import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.errors import AlreadyExists, NotFound
from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import schemas
from link_svc.listing import Position, Query
from link_svc.models import Base, OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from link_svc.visibility import Audience, Visibility
from link_svc.walks import Walk
from tests.fakes.link_svc import FakeLinkStore
from tests.integration import service_database, told

URL = "https://example.com/a"
VISIBILITIES = [each.value for each in Visibility]
Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "link_svc", "link_visibility") as engine:
        yield engine


class Home:
    """A store, and the events that it has told of."""

    def __init__(self, engine: Engine | None) -> None:
        self.engine = engine
        self.told: Told = []
        self.fake = FakeLinkStore(self.hear)
        if engine is not None:
            service_database.empty(engine, Base.metadata)

    def hear(self, event_type: str, _: str, data: dict[str, Any]) -> None:
        self.told.append((event_type, data["link"]))

    def store(self) -> LinkStore | FakeLinkStore:
        return told.link_store(self.engine, self.hear) if self.engine else self.fake

    def add(self, url: str = URL, **fields: Any) -> None:
        self.store().add(schemas.new_link("alice", {"url": url, **fields}), quota=999)

    def update(self, url: str = URL, **fields: Any) -> None:
        self.store().update(schemas.changes("alice", {"url": url, **fields}))

    def delete(self, url: str = URL) -> None:
        self.store().delete(schemas.key("alice", url))

    def walk(self, audience: str = "owner", **query: Any) -> list[str]:
        """Return the URLs of all pages."""
        seen, token = [], ""
        while True:
            wanted = schemas.query("alice", {**query, "start_token": token}, audience)
            page = schemas.page(wanted, self.store().page(wanted))
            seen += [link["url"] for link in page["links"]]
            token = page["next_token"]
            if not token:
                return seen

    def counts(self) -> list[int]:
        return [self.store().count("alice", audience) for audience in Audience]


@pytest.fixture(params=["fake", "database"])
def home(request: pytest.FixtureRequest) -> Home:
    fake = request.param == "fake"
    return Home(None if fake else request.getfixturevalue("engine"))


@pytest.fixture
def database(engine: Engine) -> Home:
    return Home(engine)


def test_link_is_for_followers_unless_it_is_said(home: Home) -> None:
    home.add()
    assert [home.walk(audience) for audience in Audience] == [[URL], [URL], []]
    home.update(visibility="public")
    assert [home.walk(audience) for audience in Audience] == [[URL], [URL], [URL]]
    home.update(visibility="private")
    assert [home.walk(audience) for audience in Audience] == [[URL], [], []]


def test_default_is_the_owners(home: Home) -> None:
    store = home.store()
    assert store.default_visibility("alice") == "followers"
    store.set_default_visibility("alice", Visibility.PRIVATE)
    assert store.default_visibility("alice") == "private"
    home.add(URL + "1")
    store.set_default_visibility("alice", Visibility.PUBLIC)
    home.add(URL + "2")
    home.add(URL + "3", visibility="followers")
    found = [home.walk(visibility=each) for each in VISIBILITIES]
    assert found == [[URL + "1"], [URL + "3"], [URL + "2"]]
    assert home.counts() == [3, 2, 1]
    assert store.default_visibility("bob") == "followers"


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_show_each_audience_its_own_in_order(home: Home, order: str) -> None:
    chance, urls = random.Random(5), []
    for n in range(60):
        urls.append((f"{URL}/{n:02}", chance.choice(VISIBILITIES)))
        home.add(urls[-1][0], visibility=urls[-1][1], tags=["all", f"t{n % 2}"])
    for audience in Audience:
        expected = [url for url, visibility in urls if visibility in audience.may_see]
        expected = expected if order == "oldest" else expected[::-1]
        assert home.counts()[list(Audience).index(audience)] == len(expected)
        for filters in ({}, {"tag": "all"}, {"url_regex": "example"}):
            assert home.walk(audience, order=order, page_size=7, **filters) == expected
        tagged = [url for url in expected if int(url[-2:]) % 2]
        assert home.walk(audience, order=order, page_size=7, tag=["all", "t1"]) == tagged


def test_others_hear_nothing_of_private_links(home: Home) -> None:
    home.add(visibility="private", title="secret")
    home.update(title="more secret")
    home.delete()
    assert home.told == []


def test_link_that_is_hidden_is_told_by_its_url_alone(home: Home) -> None:
    home.add(title="known")
    home.update(visibility="private", title="secret", add_tags="secret")
    home.update(title="more secret")
    home.update(visibility="public", title="shown")
    home.update(visibility="followers")
    home.delete()
    kinds = ["link.added", "link.hidden", "link.updated", "link.updated", "link.deleted"]
    assert [kind for kind, _ in home.told] == kinds
    assert home.told[1][1] == {"url": URL}
    assert [link["visibility"] for kind, link in home.told if kind != "link.hidden"] == [
        "followers",
        "public",
        "followers",
        "followers",
    ]


def test_tags_follow_their_links(home: Home) -> None:
    home.add(tags=["a", "b"])
    home.update(visibility="public", add_tags=["c"], remove_tags=["a"])
    assert [home.walk("anyone", tag=tag) for tag in "abc"] == [[], [URL], [URL]]
    home.update(visibility="private")
    assert [home.walk("follower", tag=tag) for tag in "abc"] == [[], [], []]
    assert [home.walk("owner", tag=tag, visibility="private") for tag in "abc"] == [
        [],
        [URL],
        [URL],
    ]


# ---- what only PostgreSQL has


def test_versions_have_no_gaps_and_counters_are_exact_whatever_is_done_at_once(
    engine: Engine, database: Home
) -> None:
    dispatcher = EventDispatcher("link-events", OutboxEvent, OutboxLease)

    def work(seed: int) -> None:
        chance, session = random.Random(seed), Session(engine)
        store = LinkStore(session, dispatcher.dispatch_for(session))
        for _ in range(25):
            document = {"url": f"{URL}/{chance.randint(1, 3)}"}
            document["visibility"] = chance.choice(["", *VISIBILITIES])
            with suppress(AlreadyExists, NotFound):
                match chance.randint(1, 3):
                    case 1:
                        store.add(schemas.new_link("alice", document), quota=9)
                    case 2:
                        store.update(schemas.changes("alice", document))
                    case _:
                        store.delete(schemas.key("alice", document["url"]))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with engine.connect() as connection:
        versions = connection.scalars(text("SELECT data->>'version' FROM outbox ORDER BY id"))
        numbers = [int(version) for version in versions]
        expected = [
            connection.scalar(
                text("SELECT count(*) FROM links WHERE visibility = ANY(:seen)"),
                {"seen": sorted(audience.may_see)},
            )
            for audience in Audience
        ]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert database.counts() == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE owners SET default_visibility = 'odd'",
        "UPDATE owners SET private_count = -1",
        "UPDATE owners SET public_count = 2",
        "UPDATE link_tags SET visibility = 'odd'",
    ],
)
def test_database_repeats_the_rules(engine: Engine, database: Home, wrong: str) -> None:
    database.add(tags="a")
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(wrong))


@pytest.fixture(scope="module")
def many(engine: Engine, postgres: PostgresServer) -> Engine:
    """Fill a database with 20,000 links of one tag: alice's few public ones among others' many."""
    service_database.empty(engine, Base.metadata)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO links (owner, url, title, description, tags, visibility, created_at,"
                " updated_at) SELECT CASE WHEN n % 2 = 0 THEN 'alice' ELSE 'u' || n % 999 END,"
                " 'https://example.com/' || n, 't', '', '{t}', CASE WHEN n % 2 = 1 THEN 'public'"
                " WHEN n % 5000 = 0 THEN 'public' WHEN n % 100 = 0 THEN 'followers'"
                " ELSE 'private' END, now(), now() FROM generate_series(1, 20000) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)"
                " SELECT owner, 't', created_at, id, visibility FROM links"
            )
        )
    connection = postgres.connect("link_visibility")
    connection.autocommit = True
    connection.cursor().execute("ANALYZE links, link_tags")
    connection.close()
    return engine


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("visibility", [None, *Visibility])
@pytest.mark.parametrize("tag", [None, "t"])
def test_no_page_looks_at_what_it_does_not_show(
    many: Engine, audience: Audience, visibility: Visibility | None, tag: str | None
) -> None:
    tags = frozenset({tag} if tag else ())
    query = Query("alice", tags=tags, visibility=visibility, audience=audience)
    if not query.visibilities:
        return
    with many.connect() as connection:
        place = "SELECT created_at, id FROM links ORDER BY id OFFSET 9000 LIMIT 1"
        middle = Position(*connection.execute(text(place)).one())
        for after in (None, middle):
            walk = Walk(query, after, 11)
            explain = f"EXPLAIN (ANALYZE, COSTS OFF) {walk.sql}"
            plan = "\n".join(connection.exec_driver_sql(explain, walk.values).scalars())
            assert "Seq Scan" not in plan
            assert "Rows Removed" not in plan
            rows = re.findall(r"actual time=\S+ rows=(\d+)", plan)
            assert max(map(int, rows)) <= 22, plan
