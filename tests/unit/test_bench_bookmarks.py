"""The Netscape bookmark format: what browsers write, and what a tolerant reader makes of it."""

import io
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import bookmarks
from bench.bookmarks import Bookmark

SAMPLE = Path(bookmarks.__file__).parent / "data" / "bookmarks.html"


def parse(text: str, chunk: int = bookmarks.CHUNK) -> list[Bookmark]:
    return list(bookmarks.parse(io.StringIO(text), chunk))


def test_parse_reads_every_field() -> None:
    text = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
    <META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
    <TITLE>Bookmarks</TITLE>
    <H1>Bookmarks</H1>
    <DL><p>
    <DT><A HREF="https://example.org/?a=1&amp;b=2" ADD_DATE="1500000000" PRIVATE="1" TOREAD="1"
           TAGS="role::program, game::board:chess,,role::program">Chess &amp; more &#9812;</A>
    <DD>A game &lt;for two&gt;,
    on one board
    <DT><A HREF="https://example.org/plain">Plain</A>
    </DL><p>
    """
    assert parse(text) == [
        Bookmark(
            url="https://example.org/?a=1&b=2",
            title="Chess & more ♔",
            description="A game <for two>, on one board",
            tags=("role::program", "game::board:chess"),
            added=datetime(2017, 7, 14, 2, 40, tzinfo=UTC),
            private=True,
            to_read=True,
        ),
        Bookmark(url="https://example.org/plain", title="Plain"),
    ]


def test_parse_takes_folders_and_their_descriptions_for_none() -> None:
    text = """<DL><p><DT><H3 ADD_DATE="1">Games</H3><DD>All my games
    <DL><p><DT><A HREF="https://example.org/1">One</A><DD>First</DL><p>after
    <DT><A HREF="https://example.org/2">Two</A></DL>"""
    assert parse(text) == [
        Bookmark("https://example.org/1", "One", "First"),
        Bookmark("https://example.org/2", "Two"),
    ]


@pytest.mark.parametrize(
    "text", ["", "no bookmarks", "<a>no link</a>", '<a href=" ">empty</a>', "<![x", "<!--", "<a hr"]
)
def test_parse_of_no_bookmark_gives_none(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "<DT><A HREF='https://example.org/'>Un<b>bold</b>ed",
        '<dt><a href="https://example.org/">Unbolded\n<dt>',
        "<A HREF=https://example.org/>Unbolded<DL>",
        '<![x>\n<A HREF="https://example.org/">Unbolded</A>',
    ],
)
def test_parse_reads_a_sloppy_file(text: str) -> None:
    assert parse(text) == [Bookmark("https://example.org/", "Unbolded")]


@pytest.mark.parametrize("add_date", ["1500000000", "1500000000000", "1500000000000000"])
def test_parse_reads_seconds_milliseconds_and_microseconds(add_date: str) -> None:
    (bookmark,) = parse(f'<A HREF="x:" ADD_DATE="{add_date}">')
    assert bookmark.added == datetime(2017, 7, 14, 2, 40, tzinfo=UTC)


@pytest.mark.parametrize("add_date", ["", "yesterday", "-1", "²", "9" * 400])
def test_parse_leaves_a_time_that_is_none_out(add_date: str) -> None:
    (bookmark,) = parse(f'<A HREF="x:" ADD_DATE="{add_date}">')
    assert bookmark.added is None


def test_parse_cuts_a_text_without_end() -> None:
    (bookmark,) = parse('<A HREF="x:">' + "y" * 3 * bookmarks.LONGEST_TEXT, chunk=1000)
    assert bookmark.title == "y" * bookmarks.LONGEST_TEXT


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
lines = st.lists(words).map(" ".join)
tags = st.lists(words.filter(lambda tag: "," not in tag), unique=True).map(tuple)
times = st.none() | st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
some_bookmarks = st.lists(
    st.builds(Bookmark, words, lines, lines, tags, times, st.booleans(), st.booleans()), max_size=5
)


@given(some_bookmarks, st.integers(1, 50))
def test_parse_reads_what_was_written(written: list[Bookmark], chunk: int) -> None:
    file = "".join(map(as_html, written))
    assert parse(file, chunk) == written


@given(st.text(st.sampled_from('<>!-[]&;/="aAdDlLtThHrReEfF \n')), st.integers(1, 50))
def test_parse_survives_anything(text: str, chunk: int) -> None:
    for bookmark in parse(text, chunk):
        assert bookmark.url


def test_sample_is_varied_and_valid() -> None:
    sample = list(bookmarks.read(SAMPLE))
    assert 60 <= len(sample) <= 200
    assert len({bookmark.url for bookmark in sample}) == len(sample)
    assert all(bookmark.title and bookmark.added for bookmark in sample)
    assert len({tag for bookmark in sample for tag in bookmark.tags}) > 100


def as_html(bookmark: Bookmark) -> str:
    added = f' ADD_DATE="{int(bookmark.added.timestamp())}"' if bookmark.added else ""
    return (
        f'<DT><A HREF="{escape(bookmark.url)}"{added} PRIVATE="{bookmark.private:d}" '
        f'TOREAD="{bookmark.to_read:d}" TAGS="{escape(",".join(bookmark.tags))}">'
        f"{escape(bookmark.title)}</A>\n<DD>{escape(bookmark.description)}\n"
    )
