from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from link_svc.domain import Link
from link_svc.listing import Pattern, Query
from tests.fakes.link_svc import matches

NOW = datetime(2026, 5, 17, tzinfo=UTC)


def a_link(title="Title", description="Words", tags=("go", "python")):
    return Link("alice", "https://example.com/a", title, description, tags, NOW, NOW)


def shows(link, pattern):
    return matches(Query("alice", (pattern,)), link)


@pytest.mark.parametrize("name", ["", "a b", "a.b"])
def test_a_query_needs_an_owner(name):
    with pytest.raises(InvalidInput) as refusal:
        Query(name)
    assert refusal.value.field == "username"


def test_a_pattern_is_searched_in_its_own_part_only():
    link = a_link(title="The Linux kernel", description="about penguins")
    assert shows(link, Pattern("title", "(?i)LINUX"))
    assert shows(link, Pattern("description", "gu.ns$"))
    assert shows(link, Pattern("url", r"^https://example\.com"))
    assert not shows(link, Pattern("url", "kernel"))
    assert not shows(link, Pattern("title", "^kernel"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(", "invalid_regex"),
        ("[a", "invalid_regex"),
        ("*", "invalid_regex"),
        (r"(a)\1", "invalid_regex"),
        ("(?=a)", "invalid_regex"),
        ("a{1001}", "invalid_regex"),
        ("((((a{100}){100}){100}){100})", "invalid_regex"),
        ("x" * 257, "regex_too_long"),
        ("\0", "invalid_text"),
        ("\ud800", "invalid_text"),
    ],
)
@pytest.mark.parametrize("part", ["url", "title", "description"])
def test_a_bad_pattern_is_refused_by_its_name(capfd, part, text, code):
    with pytest.raises(InvalidInput) as refusal:
        Pattern(part, text)
    assert (refusal.value.code, refusal.value.field) == (code, f"{part}_regex")
    assert capfd.readouterr().err == ""


def test_a_query_lists_links_with_all_tags_and_patterns():
    query = Query("alice", (Pattern("title", "T"), Pattern("description", "W")), frozenset({"go"}))
    assert matches(query, a_link())
    assert not matches(query, a_link(tags=("python",)))
    assert not matches(query, a_link(description="x"))


@pytest.mark.parametrize("size", [0, -1, 101, 10**30])
def test_a_page_size_out_of_bounds_is_refused(size):
    with pytest.raises(InvalidInput) as refusal:
        Query("alice", page_size=size)
    assert (refusal.value.code, refusal.value.field) == ("invalid_page_size", "page_size")


@given(st.text(max_size=64))
def test_no_pattern_breaks_matching(text):
    try:
        pattern = Pattern("title", text)
    except InvalidInput:
        return
    assert pattern.matches("Title") in (True, False)
