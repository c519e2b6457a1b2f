"""Exports from PostgreSQL: every link once, in parts that the bus can carry."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from chassis.bus.bodies import encode
from chassis.outbox import EventDispatcher
from contracts.limits import DESCRIPTION_LENGTH, TAG_LENGTH, TAGS, TITLE_LENGTH, URL_LENGTH
from embedded.postgres import PostgresServer
from link_svc.exports import service as exports
from link_svc.exports.store import PART_BYTES, PART_ROWS
from link_svc.imports import entries
from link_svc.models import Base, OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.integration import service_database

URL = "https://example.com/"
NATS_BYTES = 1_048_576
DISPATCHER = EventDispatcher("link-events", OutboxEvent, OutboxLease)
INSERT = text(
    """
    INSERT INTO links (owner, url, title, description, tags, visibility, created_at, updated_at)
    SELECT :owner, :url || n, :title, :description, :tags, 'private', at, at
      FROM generate_series(1, :count) AS n,
           LATERAL (SELECT timestamptz '2020-01-01' + n / 2 * interval '1 second' AS at) AS time
    """
)


@pytest.fixture(scope="module")
def migrated(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "link_svc", "link_exports") as engine:
        yield engine


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    service_database.empty(migrated, Base.metadata)
    return migrated


@pytest.fixture
def links(engine: Engine) -> Iterator[LinkStore]:
    with Session(engine) as session:
        yield LinkStore(session, DISPATCHER.dispatch_for(session))


def given(engine: Engine, count: int, owner: str = "alice", **fields: Any) -> list[str]:
    """Put links in, two at each moment; return their URLs."""
    values = {"url": URL, "title": "t", "description": "", "tags": ["a"]} | fields
    with engine.begin() as connection:
        connection.execute(INSERT, {"owner": owner, "count": count, **values})
    return [f"{values['url']}{number}" for number in range(1, count + 1)]


def parts(links: LinkStore, name: str = "jsonl") -> Iterator[str]:
    token = ""
    while True:
        part = exports.part(links, "alice", name, token)
        assert len(encode({"result": part, "error": None})[2]) < NATS_BYTES * 0.95
        yield part["text"]
        token = part["next_token"]
        if not token:
            return


def urls(texts: list[str]) -> list[str]:
    return [getattr(entry, "url", "") for entry in entries.read(text.encode() for text in texts)]


@pytest.mark.parametrize("name", ["html", "jsonl"])
@pytest.mark.parametrize("count", [0, 1, PART_ROWS - 1, PART_ROWS, PART_ROWS + 1, 2345])
def test_every_link_is_there_once_and_in_order(
    engine: Engine, links: LinkStore, count: int, name: str
) -> None:
    given(engine, 3, owner="bob")
    expected = given(engine, count)
    found = list(parts(links, name))
    assert urls(found) == expected
    assert [text.endswith("</DL><p>\n") for text in found].count(True) == (name == "html")


LONG_TEXTS = {
    f"texts of {letter!a}": (
        99,
        {"title": letter * TITLE_LENGTH, "description": letter * DESCRIPTION_LENGTH},
    )
    for letter in ("\x01", "&", '"', "\\", "\n", "\N{PARTY POPPER}")
}
WORST: dict[str, tuple[int, dict[str, Any]]] = LONG_TEXTS | {
    "long tags": (99, {"tags": [f"{n}".rjust(TAG_LENGTH, '"') for n in range(TAGS)]}),
    "many tags": (PART_ROWS, {"tags": [chr(ord("a") + n) for n in range(26)]}),
    "long URLs": (99, {"url": URL.ljust(URL_LENGTH - 4, "&")}),
    "nearly nothing": (PART_ROWS, {"title": "\x01", "tags": []}),
}


@pytest.mark.parametrize("name", ["html", "jsonl"])
@pytest.mark.parametrize("worst", WORST)
def test_a_part_fits_into_a_message_whatever_the_links_are(
    engine: Engine, links: LinkStore, worst: str, name: str
) -> None:
    count, fields = WORST[worst]
    expected = given(engine, count, **fields)
    assert urls(list(parts(links, name))) == expected


def test_the_longest_link_is_shorter_than_a_part(engine: Engine, links: LinkStore) -> None:
    letter = "\N{PARTY POPPER}"
    fields = {
        "url": URL.ljust(URL_LENGTH - 1, letter),
        "title": letter * TITLE_LENGTH,
        "description": letter * DESCRIPTION_LENGTH,
        "tags": [f"{number}".rjust(TAG_LENGTH, letter) for number in range(TAGS)],
    }
    expected = given(engine, 9, **fields)
    found = list(parts(links))
    assert urls(found) == expected
    assert len(found) < 9
    assert max(len(text.encode()) for text in found) < 2 * PART_BYTES


def test_what_stays_is_neither_lost_nor_repeated_while_others_change(
    engine: Engine, links: LinkStore
) -> None:
    expected = given(engine, 2500)
    going = parts(links)
    found = [next(going)]
    with engine.begin() as connection:
        gone = connection.execute(
            text("DELETE FROM links WHERE id % 7 = 0 RETURNING url")
        ).scalars()
        removed = set(gone)
        connection.execute(text("UPDATE links SET title = 'changed', revision = 2"))
    given(engine, 50, url=f"{URL}new/")
    found += list(going)
    seen = urls(found)
    assert len(seen) == len(set(seen))
    assert [url for url in seen if url not in removed and "new" not in url] == [
        url for url in expected if url not in removed
    ]
