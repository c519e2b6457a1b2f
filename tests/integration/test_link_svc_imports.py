"""Imports in PostgreSQL: each link once, whoever is killed; nothing for those who left."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from chassis.errors import AlreadyExists, NotFound, Unavailable
from chassis.outbox import EventDispatcher
from embedded.postgres import PostgresServer
from link_svc import schemas
from link_svc.imports.importer import Importer
from link_svc.imports.store import ImportStore
from link_svc.models import Base, OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.integration import service_database

URL = "https://example.com/"
DISPATCHER = EventDispatcher("link-events", OutboxEvent, OutboxLease)


@pytest.fixture(scope="module")
def migrated(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "link_svc", "link_imports") as engine:
        yield engine


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    service_database.empty(migrated, Base.metadata)
    return migrated


class Home:
    """The imports of one owner."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.imports = ImportStore(Session(engine))

    def links(self) -> LinkStore:
        session = Session(self.engine, expire_on_commit=False)
        return LinkStore(session, DISPATCHER.dispatch_for(session))

    def importer(self, quota: int = 9999) -> Importer:
        return Importer(self.links(), quota, 2048)

    def upload(self, body: bytes, visibility: str = "", update: bool = False) -> uuid.UUID:
        id_ = self.imports.begin("alice", visibility, update)
        for number, place in enumerate(range(0, len(body), 1000)):
            self.imports.add_piece("alice", id_, number, body[place : place + 1000])
        self.imports.start("alice", id_)
        return id_

    def done(self, id_: uuid.UUID) -> dict[str, Any]:
        row = self.imports.get("alice", id_)._asdict()
        return {
            name: row[name]
            for name in ("state", "total", "done", "added", "updated", "skipped", "failed")
        }

    def rows(self, statement: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)).all())


@pytest.fixture
def home(engine: Engine) -> Home:
    return Home(engine)


def run(importer_: Importer) -> None:
    while importer_.step():
        pass


def bookmarks(count: int) -> bytes:
    lines = [f'<DT><A HREF="{URL}{n}" ADD_DATE="{1500000000 + n}">L {n}</A>' for n in range(count)]
    return "\n".join(["<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p>", *lines, "</DL>"]).encode()


def counts(**wanted: Any) -> dict[str, Any]:
    nothing = {"updated": 0, "skipped": 0, "failed": 0, "state": "done"}
    return nothing | {"added": wanted["total"], "done": wanted["total"]} | wanted


def test_each_link_comes_with_its_event_and_at_its_own_date(home: Home) -> None:
    home.links().add(schemas.new_link("alice", {"url": f"{URL}7"}), 9)
    id_ = home.upload(bookmarks(250))
    run(home.importer())
    assert home.done(id_) == counts(total=250, added=249, skipped=1)
    assert home.rows("SELECT count(*) FROM import_pieces") == [(0,)]
    told = home.rows("SELECT data->'link'->>'url', data->'version' FROM outbox ORDER BY id")
    assert {url for url, _ in told} == {f"{URL}{n}" for n in range(250)}
    versions = [version for _, version in told]
    assert versions == list(range(versions[0], versions[0] + 250))
    assert home.rows("SELECT link_count FROM owners") == [(250,)]
    first = home.rows("SELECT url, created_at FROM links ORDER BY created_at LIMIT 1")
    assert (first[0].url, first[0].created_at.isoformat()) == (
        f"{URL}0",
        "2017-07-14T02:40:00+00:00",
    )


def test_whoever_goes_on_does_what_is_not_done_and_nothing_twice(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = home.upload(bookmarks(350))
    dead = home.importer()
    for _ in range(3):  # claimed, and two hundred links
        dead.step()
    assert home.done(id_) == counts(total=350, done=200, added=200, state="running")

    def killed(*_: Any) -> None:
        raise Unavailable("killed")

    monkeypatch.setattr(dead._links, "add_batch", killed)
    with pytest.raises(Unavailable):
        dead.step()
    heir = home.importer()
    assert not heir.step()  # it is held
    monkeypatch.undo()
    dead._imports.let_go(id_, dead._holder)
    run(heir)
    assert home.done(id_) == counts(total=350)
    assert not dead.step()
    assert home.rows("SELECT count(*), count(DISTINCT data->'link'->>'url') FROM outbox") == [
        (350, 350)
    ]


def test_whoever_was_frozen_meanwhile_does_nothing(home: Home) -> None:
    id_ = home.upload(bookmarks(350))
    frozen = home.importer()
    for _ in range(2):
        frozen.step()
    frozen._imports.let_go(id_, frozen._holder)
    run(home.importer())
    assert home.done(id_) == counts(total=350)
    run(frozen)
    assert home.done(id_) == counts(total=350)
    assert home.rows("SELECT count(*) FROM links") == [(350,)]


def test_step_that_fails_is_done_when_the_database_is_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = home.upload(bookmarks(350))
    importer = home.importer()
    for _ in range(2):
        importer.step()
    advance, failures = importer._imports.advance, iter([False, True, False, False, True])

    def fail_at_times(*what: Any) -> bool:
        if next(failures, False):  # before the links, and after them
            raise Unavailable("database_unavailable")
        return advance(*what)

    monkeypatch.setattr(importer._imports, "advance", fail_at_times)
    for _ in range(2):
        with pytest.raises(Unavailable):
            run(importer)
    run(importer)
    assert home.done(id_) == counts(total=350)
    assert home.rows("SELECT count(*) FROM links") == [(350,)]


def test_what_cannot_be_imported_is_said_and_the_rest_comes_in(home: Home) -> None:
    lines = [
        {"Url": f"{URL}a", "Tags": {"x": True}, "Visibility": "private"},
        {"Url": "javascript:alert(1)"},
        {"Url": f"{URL}a"},
        {
            "Url": f"{URL}b",
            "Title": "t" * 9999,
            "Tags": ["b,c", " ", "n" * 99],
            "CreatedAt": "9999",
        },
        {"Url": f"{URL}{'c' * 3000}"},
        ["no link"],
    ]
    body = "\n".join(map(json.dumps, lines)) + '\n{"broken'
    id_ = home.upload(body.encode(), visibility="public")
    run(home.importer())
    assert home.done(id_) == counts(total=7, added=2, skipped=1, failed=4)
    errors = home.imports.get("alice", id_).errors
    assert [each["code"] for each in errors] == [
        "invalid_url",
        "url_too_long",
        "invalid_line",
        "invalid_line",
    ]
    assert home.rows("SELECT visibility, tags FROM links ORDER BY id") == [
        ("private", ["x"]),
        ("public", ["b c", "n" * 64]),
    ]


def test_the_quota_holds(home: Home) -> None:
    id_ = home.upload(bookmarks(150))
    run(home.importer(quota=120))
    assert home.done(id_) == counts(total=150, added=120, failed=30)
    assert len(home.imports.get("alice", id_).errors) >= 20
    assert home.rows("SELECT link_count FROM owners") == [(120,)]


def test_what_is_there_is_changed_where_that_is_wanted(home: Home) -> None:
    run_first = home.upload(bookmarks(3))
    run(home.importer())
    assert home.done(run_first) == counts(total=3)
    file = (
        bookmarks(3).replace(b"L 1", b"Another").replace(b'ADD_DATE="1', b'TAGS="n" ADD_DATE="1', 1)
    )
    id_ = home.upload(file, update=True)
    run(home.importer())
    assert home.done(id_) == counts(total=3, added=0, updated=2, skipped=1)
    assert home.rows("SELECT title, tags FROM links ORDER BY id") == [
        ("L 0", ["n"]),
        ("Another", []),
        ("L 2", []),
    ]


def test_one_at_a_time_and_it_can_be_cancelled(home: Home) -> None:
    id_ = home.upload(bookmarks(300))
    with pytest.raises(AlreadyExists):
        home.imports.begin("alice", "", False)
    worker = home.importer()
    worker.step()
    worker.step()
    home.imports.cancel("alice", id_)
    run(worker)
    assert home.done(id_) == counts(total=300, added=100, done=100, state="cancelled")
    with pytest.raises(NotFound):
        home.imports.get("bob", id_)
    assert home.imports.begin("alice", "", False)


def test_nothing_is_imported_for_those_who_have_left(home: Home) -> None:
    home.upload(bookmarks(300))
    worker = home.importer()
    worker.step()
    worker.step()
    with home.engine.begin() as connection:
        connection.execute(text("DELETE FROM outbox"))  # as the relay does
    home.links().forget(uuid.uuid4(), "alice", True)
    run(worker)
    for table in ("links", "owners", "imports", "import_pieces", "outbox"):
        assert home.rows(f"SELECT count(*) FROM {table}") == [(0,)]
