"""One suite for the store of links, in memory and in PostgreSQL; then what only the latter has."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.errors import AlreadyExists, InvalidInput, LimitExceeded, NotFound, ServiceError
from chassis.outbox import EventDispatcher
from link_svc import models, pages, schemas
from link_svc.listing import Pattern
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.fakes.link_svc import FakeLinkStore
from tests.integration import pgbouncer, service_database

URL = "https://example.com/a"


class Database:
    """Links in PostgreSQL; each thread may have stores of its own."""

    def __init__(self, engine):
        self.engine = engine
        self.events_of = EventDispatcher("link-events", OutboxEvent, OutboxLease)

    def store(self):
        session = Session(self.engine, expire_on_commit=False)
        return LinkStore(session, self.events_of.dispatch_for(session))

    def events(self):
        """Return (type, owner, data) of each, with versions that count from 1."""
        columns = (OutboxEvent.type, OutboxEvent.subject, OutboxEvent.data)
        events = [tuple(row) for row in self.rows(select(*columns).order_by(OutboxEvent.id))]
        before = {}
        for _, owner, data in events:
            data["version"] -= before.setdefault(owner, data["version"] - 1)
        return events

    def first_version(self, owner="alice"):
        first = select(OutboxEvent.data).where(OutboxEvent.subject == owner)
        return self.rows(first.order_by(OutboxEvent.id).limit(1))[0][0]["version"]

    def rows(self, statement):
        with self.engine.connect() as connection:
            return connection.execute(statement).all()

    def counters(self, owner="alice"):
        """Return the number of links, and of changes as the version tells it."""
        query = select(models.Owner.link_count, models.Owner.version)
        rows = self.rows(query.where(models.Owner.owner == owner))
        return [(count, version - self.first_version(owner) + 1) for count, version in rows]


class Memory:
    """Links in the fake."""

    def __init__(self):
        self.told = []
        self._store = FakeLinkStore(lambda *event: self.told.append(event))

    def store(self):
        return self._store

    def events(self):
        return self.told


@pytest.fixture(scope="module")
def engine(postgres):
    with service_database.migrated(postgres, "link_svc", "link_store") as engine:
        yield engine


@pytest.fixture
def database(engine):
    service_database.empty(engine, models.Base.metadata)
    return Database(engine)


@pytest.fixture
def pooled(database, postgres, server_folder):
    with pgbouncer.before(postgres, server_folder, database.engine) as engine:
        yield Database(engine)


@pytest.fixture(params=["memory", "database", pytest.param("pooled", marks=pytest.mark.long)])
def home(request):
    return Memory() if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
def store(home):
    return home.store()


def add(store, url=URL, owner="alice", quota=100, **fields):
    return store.add(schemas.new_link(owner, {"url": url, **fields}), quota)


def update(store, url=URL, owner="alice", **fields):
    return store.update(schemas.changes(owner, {"url": url, **fields}))


def delete(store, url=URL, owner="alice"):
    return store.delete(schemas.key(owner, url))


def get(store, owner="alice", **query):
    wanted = schemas.query(owner, query)
    return schemas.page(wanted, store.page(wanted))


def urls(page):
    return [link["url"] for link in page["links"]]


def walk(store, owner="alice", **query):
    """Return the URLs of all pages, in order."""
    seen, token = [], ""
    while True:
        page = get(store, owner, **query, start_token=token)
        seen += urls(page)
        token = page["next_token"]
        if not token:
            return seen


def names(count):
    return [f"https://example.com/{n:05}" for n in range(count)]


def test_a_link_is_kept_as_it_was_given(home, store):
    link = add(
        store, title="T 🙂 \u202e\u05d8\u05d5 e\u0301", description="D\n'\"%s:x", tags=["b", "日本"]
    )
    assert (link.url, link.title, link.description) == (
        URL,
        "T 🙂 \u202e\u05d8\u05d5 e\u0301",
        "D\n'\"%s:x",
    )
    assert (link.tags, link.status, link.visibility) == (("b", "日本"), "pending", "followers")
    assert link.created_at == link.updated_at
    assert link.created_at.tzinfo is not None
    assert get(store)["links"] == [link.document()]


def test_the_longest_link_is_kept(store):
    url = "https://example.com/" + "🙂" * 2028
    tags = [f"{n:02}" + "漢" * 62 for n in range(32)]
    link = add(store, url, title="🙂" * 512, description="🙂" * 4096, tags=tags)
    assert get(store)["links"] == [link.document()]
    assert update(store, url, title="T").title == "T"
    assert delete(store, url).url == url


def test_an_added_link_is_told(home, store):
    link = add(store, tags="a")
    assert home.events() == [
        ("link.added", "alice", {"link": link.document(), "version": 1}),
    ]


def test_a_url_is_kept_once_for_each_owner(home, store):
    add(store)
    with pytest.raises(AlreadyExists) as refusal:
        add(store, title="again")
    assert (refusal.value.code, refusal.value.field) == ("link_exists", "url")
    add(store, owner="bob")
    add(store, URL + "/")
    assert [event[1] for event in home.events()] == ["alice", "bob", "alice"]


def test_a_quota_holds_and_is_freed_by_deleting(home, store):
    add(store, URL + "1", quota=2)
    add(store, URL + "2", quota=2)
    with pytest.raises(LimitExceeded) as refusal:
        add(store, URL + "3", quota=2)
    assert refusal.value.code == "too_many_links"
    with pytest.raises(AlreadyExists):
        add(store, URL + "1", quota=2)
    add(store, owner="bob", quota=2)
    delete(store, URL + "1")
    add(store, URL + "3", quota=2)
    assert urls(get(store)) == [URL + "2", URL + "3"]


def test_versions_of_an_owner_grow_by_one_and_refusals_take_none(home, store):
    add(store)
    with pytest.raises(AlreadyExists):
        add(store)
    with pytest.raises(LimitExceeded):
        add(store, URL + "2", quota=1)
    with pytest.raises(NotFound):
        delete(store, URL + "2")
    update(store, title="New")
    add(store, owner="bob")
    delete(store)
    add(store)
    told = [(kind, owner, data["version"]) for kind, owner, data in home.events()]
    assert told == [
        ("link.added", "alice", 1),
        ("link.updated", "alice", 2),
        ("link.added", "bob", 1),
        ("link.deleted", "alice", 3),
        ("link.added", "alice", 4),
    ]


def test_versions_begin_above_those_of_an_owner_who_was_lost(database):
    for url in names(20):
        add(database.store(), url)
    last = database.first_version() + 19
    service_database.empty(database.engine, models.Base.metadata)
    while 1000 * time.time() <= last:  # where a change took less than a millisecond
        time.sleep(0.001)
    add(database.store())
    assert database.first_version() > last


def test_an_update_changes_what_it_names(home, store):
    old = add(store, title="T", description="D", tags=["a", "b"])
    new = update(store, title="N", add_tags="c", remove_tags=["a", "x"])
    assert (new.title, new.description, new.tags) == ("N", "D", ("b", "c"))
    assert (new.url, new.created_at) == (old.url, old.created_at)
    assert new.updated_at > old.updated_at
    assert get(store)["links"] == [new.document()]
    assert home.events()[-1] == ("link.updated", "alice", {"link": new.document(), "version": 2})


def test_an_update_keeps_the_index_of_tags(store):
    add(store, tags=["a", "b"])
    update(store, add_tags=["c"], remove_tags=["a"])
    assert [urls(get(store, tag=tag)) for tag in "abc"] == [[], [URL], [URL]]
    delete(store)
    assert [urls(get(store, tag=tag)) for tag in "abc"] == [[], [], []]


def test_empty_texts_reset_a_link(store):
    add(store, title="T", description="D")
    new = update(store, title="", description="")
    assert (new.title, new.description) == (URL, "")


@pytest.mark.parametrize(
    "nothing", [{}, {"title": "T"}, {"add_tags": ["a"]}, {"remove_tags": ["b"], "description": "D"}]
)
def test_an_update_that_changes_nothing_is_not_told(home, store, nothing):
    old = add(store, title="T", description="D", tags=["a"])
    assert update(store, **nothing) == old
    assert len(home.events()) == 1
    assert update(store, title="N").updated_at > old.updated_at
    assert home.events()[-1][2]["version"] == 2


def test_the_limit_of_tags_holds_after_an_update(home, store):
    old = add(store, tags=[str(n) for n in range(32)])
    with pytest.raises(InvalidInput) as refusal:
        update(store, add_tags=["more"], title="N")
    assert (refusal.value.code, refusal.value.field) == ("too_many_tags", "add_tags")
    assert get(store)["links"] == [old.document()]
    assert len(home.events()) == 1


def test_what_is_not_there_cannot_be_updated_or_deleted(home, store):
    add(store, owner="bob")
    for change in (update, delete):
        with pytest.raises(NotFound) as refusal:
            change(store)
        assert (refusal.value.code, refusal.value.field) == ("no_such_link", "url")
    assert len(home.events()) == 1


def test_a_deleted_link_is_told_as_it_was(home, store):
    link = add(store, tags=["a"])
    assert delete(store) == link
    assert get(store) == {"links": [], "next_token": ""}
    assert home.events()[-1] == ("link.deleted", "alice", {"link": link.document(), "version": 2})


@pytest.mark.parametrize("change", [add, update, delete])
def test_text_is_never_sql(store, change):
    url = "https://example.com/';DROP/**/TABLE/**/links;--%s%(x)s:owner{}"
    if change is not add:
        add(store, url)
    change(store, url)
    assert urls(get(store)) == ([] if change is delete else [url])


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20])
@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_show_everything_once_in_order(store, count, order):
    for url in names(count):
        add(store, url)
        add(store, url, owner="bob")
    expected = names(count) if order == "oldest" else names(count)[::-1]
    assert walk(store, order=order) == expected
    assert walk(store, order=order, page_size=100) == expected


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_a_full_last_page_has_no_token(store, order):
    for url in names(20):
        add(store, url, tags="t")
    for filters in ({}, {"tag": "t"}, {"url_regex": "example"}):
        first = get(store, order=order, **filters)
        second = get(store, order=order, start_token=first["next_token"], **filters)
        assert (len(second["links"]), second["next_token"]) == (10, "")


def test_filters_look_at_their_own_field(store):
    add(store, "https://example.com/linux", title="Penguins", description="cold", tags=["os"])
    add(store, "https://example.com/b", title="linux", description="Ice", tags=["os", "cold"])
    assert urls(get(store, url_regex="linux$")) == ["https://example.com/linux"]
    assert urls(get(store, title_regex="^linux")) == ["https://example.com/b"]
    assert urls(get(store, description_regex="(?i)ice")) == ["https://example.com/b"]
    assert urls(get(store, url_regex="linux", title_regex="linux")) == []
    assert urls(get(store, tag="os", description_regex="ol")) == ["https://example.com/linux"]


def test_a_filter_by_tags_wants_them_all(store):
    for n, url in enumerate(names(60)):
        tags = [tag for tag, step in (("two", 2), ("three", 3), ("five", 5)) if n % step == 0]
        add(store, url, tags=tags)
    assert walk(store, tag="two") == names(60)[::2]
    assert walk(store, tag=["two", "three"], page_size=3) == names(60)[::6]
    assert walk(store, tag="two,three,five", order="newest") == names(60)[::30][::-1]
    assert walk(store, tag=["two", "none"]) == []
    assert walk(store, tag="Two") == []


def test_a_listing_goes_on_from_a_row_that_is_gone(store):
    for url in names(15):
        add(store, url)
    first = get(store)
    delete(store, first["links"][-1]["url"])
    assert urls(get(store, start_token=first["next_token"])) == names(15)[10:]


# From here on, what only PostgreSQL has.


def at_once(count, work):
    """Run work(n) in as many threads, started together; return results and errors."""
    start = threading.Barrier(count)

    def run(n):
        start.wait(timeout=30)
        try:
            return work(n)
        except ServiceError as error:
            return error.code

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_parallel_adds_of_one_url_make_one_link(database):
    results = at_once(100, lambda n: add(database.store()))
    assert results.count("link_exists") == 99
    assert database.rows(select(func.count()).select_from(models.Link)) == [(1,)]
    assert [event[2]["version"] for event in database.events()] == [1]
    assert database.counters() == [(1, 1)]


def test_parallel_adds_do_not_pass_the_quota(database):
    for url in names(9):
        add(database.store(), url, quota=10)
    results = at_once(50, lambda n: add(database.store(), f"{URL}/{n}", quota=10))
    assert results.count("too_many_links") == 49
    assert database.counters() == [(10, 10)]
    assert len(walk(database.store())) == 10


def test_parallel_changes_of_one_link_keep_the_books(database):
    def work(n):
        store, chance = database.store(), random.Random(n)
        for _ in range(20):
            change = chance.choice([add, update, delete])
            fields = {"title": str(chance.random())} if change is update else {}
            with suppress(AlreadyExists, NotFound):
                change(store, **fields)

    at_once(8, work)
    kinds = [kind for kind, _, _ in database.events()]
    versions = [data["version"] for _, _, data in database.events()]
    assert versions == list(range(1, len(versions) + 1))
    there = False
    for kind in kinds:  # a history that one person alone could have made
        assert there == (kind != "link.added")
        there = kind != "link.deleted"
    assert database.counters() == [(int(there), len(kinds))]


def test_ids_and_times_grow_as_an_owners_versions(database):
    at_once(8, lambda n: [add(database.store(), f"{URL}/{n}/{i}", quota=999) for i in range(25)])
    listed = walk(database.store(), page_size=100)
    assert [data["link"]["url"] for _, _, data in database.events()] == listed
    assert [data["version"] for _, _, data in database.events()] == list(range(1, 201))


def test_owners_do_not_wait_for_each_other(database):
    add(database.store())
    with database.engine.begin() as connection:
        connection.execute(text("SELECT FROM owners WHERE owner = 'alice' FOR UPDATE"))
        add(database.store(), owner="bob")
    assert urls(get(database.store(), "bob")) == [URL]


def test_a_clock_set_back_does_not_reorder_links(database):
    add(database.store())
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE owners SET changed_at = now() + interval '1 day'"))
    later = [add(database.store(), url).url for url in names(3)]
    assert walk(database.store()) == [URL, *later]


def test_ten_thousand_links_of_one_instant_are_walked_exactly_once(database):
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO links (owner, url, title, description, tags, created_at, updated_at)"
                " SELECT 'alice', 'https://example.com/' || n, 't', '', '{t}', now(), now()"
                " FROM generate_series(1, 10000) n"
            )
        )
        connection.execute(
            text("INSERT INTO link_tags SELECT owner, 't', created_at, id FROM links")
        )
    for query in ({}, {"tag": "t"}, {"order": "newest"}):
        seen = walk(database.store(), page_size=97, **query)
        assert len(seen) == len(set(seen)) == 10_000


def test_a_walk_among_writers_loses_and_repeats_nothing(database):
    steady = names(300)
    for url in steady:
        add(database.store(), url, quota=9999)
    end = threading.Event()

    def write(n):
        store, number = database.store(), 0
        while not end.is_set():
            number += 1
            add(store, f"https://writer.example/{n}/{number}", quota=9999)
            if number % 2:
                delete(store, f"https://writer.example/{n}/{number}")

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, n) for n in range(4)]
        walks = [walk(database.store(), page_size=7, order=o) for o in ("oldest", "newest") * 2]
        end.set()
    assert all(writer.exception() is None for writer in writers)
    for seen in walks:
        assert max(Counter(seen).values()) == 1
        kept = [url for url in seen if url in set(steady)]
        assert kept in (steady, steady[::-1])


@pytest.fixture
def far_apart(database):
    """Return 160 links, two of which are rare."""
    urls = names(160)
    for n, url in enumerate(urls):
        title = "Rare \u017fort" if n in (60, 159) else "common Sort"
        add(database.store(), url, quota=999, title=title, tags=["t", "u"])
    return urls


@pytest.mark.parametrize("filters", [{}, {"tag": "t"}, {"tag": ["t", "u"]}, {"q": "-x"}])
@pytest.mark.parametrize("regex", ["[R]a?[r][e]?", "Rare", "(?i)rare s|nowhere", "^.{4} \u017fo+"])
def test_a_scan_that_finds_little_ends_and_goes_on(
    database, monkeypatch, far_apart, filters, regex
):
    monkeypatch.setattr(pages, "SCAN_ROWS", 50)
    monkeypatch.setattr(pages, "WALK_ROWS", 50)
    monkeypatch.setattr(pages, "STRIDE", 10)
    page = get(database.store(), title_regex=regex, **filters)
    assert page["links"] == []
    assert page["next_token"]
    found = [far_apart[60], far_apart[159]]
    assert walk(database.store(), title_regex=regex, **filters) == found
    assert walk(database.store(), title_regex=regex, order="newest", **filters) == found[::-1]
    assert walk(database.store(), title_regex="nowhere", **filters) == []


def test_what_a_pattern_requires_is_looked_for_in_the_database(database, monkeypatch, far_apart):
    tried = []
    matches = Pattern.matches
    monkeypatch.setattr(Pattern, "matches", lambda *what: tried.append(what) or matches(*what))
    assert get(database.store(), title_regex="R.re")["links"]
    assert len(tried) == 2


def test_a_slow_pattern_ends_in_time(database, monkeypatch):
    monkeypatch.setattr(pages, "SCAN_SECONDS", 0.2)
    for url in names(40):
        add(database.store(), url, description="a" * 4096)
    begin = time.monotonic()
    page = get(database.store(), description_regex="[\\s\\S]{1000}(.{1,30}){20}[z]")
    assert time.monotonic() - begin < 2
    assert page["links"] == []
    assert page["next_token"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "x" * 2049},
        {"url": ""},
        {"title": ""},
        {"title": "x" * 513},
        {"description": "x" * 4097},
        {"tags": ["x"] * 33},
        {"status": "odd"},
        {"visibility": "odd"},
    ],
)
def test_the_database_repeats_the_limits(database, wrong):
    good = {"owner": "alice", "url": URL, "title": "T", "description": "", "tags": []}
    now = {"created_at": func.now(), "updated_at": func.now()}
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(insert(models.Link).values({**good, **now, **wrong}))
