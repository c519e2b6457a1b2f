"""What an export writes, an import reads: nothing is lost that the format can carry."""

import json
from collections import namedtuple
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from chassis.errors import InvalidInput
from contracts.limits import DESCRIPTION_LENGTH, TAG_LENGTH, TAGS, TITLE_LENGTH, URL_LENGTH
from gateway import answers
from link_svc.exports import formats
from link_svc.imports import entries
from link_svc.imports.entry import Entry
from link_svc.rows import link_of
from link_svc.visibility import Visibility
from link_svc.walks import COLUMNS

Row: Any = namedtuple("Row", COLUMNS)
ADDED = datetime(2019, 5, 17, 23, 59, 59, 123456, UTC)
EVERYTHING = "".join(map(chr, range(1, 0x300)))

TEXTS = [
    "plain",
    "\N{PARTY POPPER} \N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "\u0645\u0631\u062d\u0628\u0627 \u202bRTL\u202c",
    "\"double\" 'single' `back` \\ slash",
    "</A></DL><script>alert(1)</script> <DT><A HREF='https://evil.example'>no</A>",
    "&amp; &lt;b&gt; &#10; &amp;amp; & &copy &notit;",
    "one\ntwo\r\nthree\ttab\f\N{NO-BREAK SPACE}\N{LINE SEPARATOR}\x0b\x1c\x85end",
    "  two  spaces   at each end  ",
    "\n",
    EVERYTHING,
]


def a_row(**fields: Any) -> Any:
    given = {
        "id": 17,
        "owner": "alice",
        "url": "https://example.org/?a=1&b=%22'<>",
        "title": "title",
        "description": "",
        "tags": ["a", "b c"],
        "status": "pending",
        "visibility": "followers",
        "created_at": ADDED,
        "updated_at": ADDED,
        "revision": 2,
    }
    return Row(**given | fields)


def read_again(name: str, *rows: Any, piece: int = 7919) -> list[Any]:
    form = formats.named(name)
    body = (form.head + "".join(map(form.link, rows)) + form.foot).encode()
    return list(entries.read(body[at : at + piece] for at in range(0, len(body), piece)))


@pytest.mark.parametrize("piece", [1, 7919])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["html", "jsonl"])
def test_texts_come_back_as_they_were(name: str, text: str, piece: int) -> None:
    rows = [a_row(title=text, description=text), a_row(title="next", description="")]
    first, second = read_again(name, *rows, piece=piece)
    assert (first.title, first.description) == (text, text)
    assert (second.title, second.description) == ("next", "")
    assert first.url == second.url == rows[0].url


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("name", ["html", "jsonl"])
def test_tags_and_visibility_come_back(name: str, visibility: Visibility) -> None:
    tags = ["a b", 'quote"', "<b>", "&amp;", "\N{PARTY POPPER}", "\u0645"]
    (entry,) = read_again(name, a_row(tags=tags, visibility=visibility))
    assert entry.document("private")["tags"] == tags
    assert entry.document("private")["visibility"] == visibility


def test_the_time_is_kept_as_well_as_the_format_can() -> None:
    (of_lines,), (of_bookmarks,) = (read_again(name, a_row()) for name in ("jsonl", "html"))
    assert of_lines.added == ADDED
    assert of_bookmarks.added == ADDED.replace(microsecond=0)


@pytest.mark.parametrize("name", ["html", "jsonl"])
@pytest.mark.parametrize("letter", ["&", '"', "\n", "\x01", "\\", "\N{PARTY POPPER}"])
def test_the_longest_link_comes_back_whole(name: str, letter: str) -> None:
    url = "https://example.org/".ljust(URL_LENGTH, "&")
    texts = {"title": letter * TITLE_LENGTH, "description": letter * DESCRIPTION_LENGTH}
    tags = [f"{number:02}".ljust(TAG_LENGTH, '"') for number in range(TAGS)]
    (entry,) = read_again(name, a_row(url=url, tags=tags, **texts))
    assert isinstance(entry, Entry)
    assert {"url": url, "tags": tags, **texts}.items() <= entry.document("").items()


@pytest.mark.parametrize("microsecond", [0, 1, 100_000, 999_999])
def test_a_line_is_a_link_as_the_api_shows_it(microsecond: int) -> None:
    here = timezone(timedelta(hours=2))
    updated = datetime(2026, 1, 2, 1, 4, 5, microsecond, here)
    row = a_row(description="d", updated_at=updated)
    assert json.loads(formats.line(row)) == answers.link(link_of(row).document())


def test_bookmarks_that_others_wrote_are_read_as_html_has_it() -> None:
    body = (
        b'<DL><p><DT><A HREF="https://example.org" PRIVATE="1" VISIBILITY="public">\n A \n B </A>\n'
        b"<DD>  folded\n text&#10;kept \n"
        b'<DT><A HREF="https://example.org/2" VISIBILITY="all">2</A></DL>'
    )
    first, second = entries.read([body])
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.title, first.description) == ("A B", "folded text\nkept")
    assert (first.visibility, second.visibility) == ("private", "")


@pytest.mark.parametrize("name", ["", "HTML", "csv", None, ["html"]])
def test_a_format_that_there_is_not_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        formats.named(name)
    assert (refusal.value.code, refusal.value.field) == ("invalid_format", "format")
