from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from link_svc import domain
from link_svc.domain import Changes, Link, LinkKey, NewLink

KEY = LinkKey("alice", "https://example.com/a")
NOW = datetime(2026, 5, 17, 12, 30, 0, 7, tzinfo=UTC)


def a_link(**fields: object) -> Link:
    link = Link("alice", KEY.url, "Title", "Words", ("go", "python"), NOW, NOW)
    return replace(link, **fields)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/a?b=c#d",
        "HTTPS://EXAMPLE.COM/",
        "ftp://files.example.com/pub",
        "http://user:secret@example.com:8080/",
        "http://[::1]/",
        "http://127.0.0.1:9/",
        "https://bücher.example/straße",
        "https://example.com/🙂/\u202e\u05dc\u05d9",
        "https://example.com/a\\b|c",
        "https://example.com/" + "x" * 2028,
    ],
)
def test_a_good_url_is_kept_exactly(url):
    assert NewLink(LinkKey("alice", url)).key.url == url


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "//example.com",
        "/a",
        "https:",
        "https://",
        "https:///a",
        "https://:80/",
        "https://user@/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "mailto:a@example.com",
        "gopher://example.com",
        "https://exa mple.com",
        " https://example.com",
        "https://example.com/\n",
        "https://example.com/\t",
        "https://example.com/\u2028",
        "https://example.com/\x7f",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://a\u2100b.example/",
        "https://a<b>.example/",
        "https://a\\b.example/",
    ],
)
def test_a_bad_url_is_refused(url):
    with pytest.raises(InvalidInput) as refusal:
        NewLink(LinkKey("alice", url))
    assert (refusal.value.code, refusal.value.field) == ("invalid_url", "url")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "missing_url"),
        ("  ", "missing_url"),
        ("https://example.com/" + "x" * 2029, "url_too_long"),
        ("https://example.com/\0", "invalid_text"),
        ("https://example.com/\ud800", "invalid_text"),
    ],
)
def test_a_url_that_names_no_link_is_refused(url, code):
    with pytest.raises(InvalidInput) as refusal:
        LinkKey("alice", url)
    assert (refusal.value.code, refusal.value.field) == (code, "url")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "missing_username"),
        ("a b", "invalid_username"),
        ("-a", "invalid_username"),
        ("a.b", "invalid_username"),
        ("a\n", "invalid_username"),
        ("ä", "invalid_username"),
        ("a" * 65, "invalid_username"),
        ("*", "invalid_username"),
        (">", "invalid_username"),
    ],
)
def test_an_owner_who_could_be_nobody_is_refused(name, code):
    with pytest.raises(InvalidInput) as refusal:
        LinkKey(name, KEY.url)
    assert (refusal.value.code, refusal.value.field) == (code, "username")


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"title": "x" * 513}, "title_too_long", "title"),
        ({"title": "a\0"}, "invalid_text", "title"),
        ({"description": "x" * 4097}, "description_too_long", "description"),
        ({"description": "\udfff"}, "invalid_text", "description"),
        ({"tags": frozenset({"a,b"})}, "invalid_tag", "tags"),
        ({"tags": frozenset({""})}, "invalid_tag", "tags"),
        ({"tags": frozenset({" a"})}, "invalid_tag", "tags"),
        ({"tags": frozenset({"x" * 65})}, "invalid_tag", "tags"),
        ({"tags": frozenset({"a\tb"})}, "invalid_tag", "tags"),
        ({"tags": frozenset({"a\0"})}, "invalid_tag", "tags"),
        ({"tags": frozenset({"\ud800"})}, "invalid_tag", "tags"),
        ({"tags": frozenset(map(str, range(33)))}, "too_many_tags", "tags"),
    ],
)
def test_a_link_that_breaks_a_rule_is_not_built(fields, code, field):
    with pytest.raises(InvalidInput) as refusal:
        NewLink(KEY, **fields)
    assert (refusal.value.code, refusal.value.field) == (code, field)


def test_the_limits_themselves_are_allowed():
    tags = frozenset(f"{n:064}" for n in range(32))
    link = NewLink(KEY, "x" * 512, "y" * 4096, tags)
    assert (link.title, link.description, link.tags) == ("x" * 512, "y" * 4096, tags)


@pytest.mark.parametrize("title", ["", " ", "\n\t"])
def test_without_a_title_the_url_is_the_title(title):
    assert NewLink(KEY, title).title == KEY.url


def test_a_long_url_is_cut_for_the_title():
    url = "https://example.com/" + "x" * 1000
    assert NewLink(LinkKey("alice", url)).title == url[:512]


def test_changes_leave_alone_what_they_do_not_name():
    assert Changes(KEY).apply(a_link()) == a_link()
    assert Changes(KEY, title="New").apply(a_link()) == a_link(title="New")
    assert Changes(KEY, description="New").apply(a_link()) == a_link(description="New")


def test_empty_texts_reset_title_and_description():
    changed = Changes(KEY, title="", description="").apply(a_link())
    assert (changed.title, changed.description) == (KEY.url, "")


def test_tags_are_removed_then_added_and_stay_sorted():
    changes = Changes(
        KEY, add_tags=frozenset({"b", "go"}), remove_tags=frozenset({"go", "python", "none"})
    )
    assert changes.apply(a_link()).tags == ("b", "go")


def test_the_limit_of_tags_holds_after_a_change():
    link = a_link(tags=tuple(map(str, range(32))))
    with pytest.raises(InvalidInput) as refusal:
        Changes(KEY, add_tags=frozenset({"one more"})).apply(link)
    assert (refusal.value.code, refusal.value.field) == ("too_many_tags", "add_tags")
    swap = Changes(KEY, add_tags=frozenset({"one more"}), remove_tags=frozenset({"0"}))
    assert len(swap.apply(link).tags) == 32


@pytest.mark.parametrize("field", ["add_tags", "remove_tags"])
def test_changes_with_a_bad_tag_are_refused(field):
    with pytest.raises(InvalidInput) as refusal:
        Changes(KEY, **{field: frozenset({"a,b"})})
    assert (refusal.value.code, refusal.value.field) == ("invalid_tag", field)


def test_a_document_is_plain_json_with_utc_times():
    assert a_link().document() == {
        "url": KEY.url,
        "title": "Title",
        "description": "Words",
        "tags": ["go", "python"],
        "status": "pending",
        "visibility": "followers",
        "created_at": "2026-05-17T12:30:00.000007Z",
        "updated_at": "2026-05-17T12:30:00.000007Z",
        "version": "",
    }


@given(st.text(max_size=200))
def test_no_text_breaks_the_check_of_urls(text):
    for url in (text, "https://" + text, "https://example.com/" + text, "http://[" + text):
        with suppress(InvalidInput):
            domain.check_url(url)
