"""Who may see a link, and who hears of it."""

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from link_svc import schemas
from link_svc.listing import Page, Position, Query
from link_svc.visibility import Audience, Visibility, told

PRIVATE, FOLLOWERS, PUBLIC = Visibility


def token_of(query: Query) -> str:
    place = Position(datetime(2026, 5, 17, tzinfo=UTC), 7)
    return schemas.page(query, Page([], place))["next_token"]


@pytest.mark.parametrize(
    ("audience", "may_see"),
    [
        ("owner", {PRIVATE, FOLLOWERS, PUBLIC}),
        ("follower", {FOLLOWERS, PUBLIC}),
        ("anyone", {PUBLIC}),
    ],
)
def test_each_audience_sees_its_own(audience: str, may_see: set[Visibility]) -> None:
    assert Audience(audience).may_see == may_see
    assert Query("alice", audience=Audience(audience)).visibilities == may_see


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("visibility", Visibility)
def test_no_filter_shows_more_than_one_may_see(audience: Audience, visibility: Visibility) -> None:
    query = Query("alice", visibility=visibility, audience=audience)
    assert query.visibilities == {visibility} & audience.may_see


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, PRIVATE, ""),
        (PRIVATE, PRIVATE, ""),
        (PRIVATE, None, ""),
        (None, FOLLOWERS, "link.added"),
        (None, PUBLIC, "link.added"),
        (PRIVATE, FOLLOWERS, "link.updated"),
        (FOLLOWERS, PUBLIC, "link.updated"),
        (PUBLIC, FOLLOWERS, "link.updated"),
        (FOLLOWERS, PRIVATE, "link.hidden"),
        (PUBLIC, PRIVATE, "link.hidden"),
        (PUBLIC, None, "link.deleted"),
    ],
)
def test_others_hear_what_they_may_see(
    before: Visibility | None, after: Visibility | None, event: str
) -> None:
    assert told(before, after) == event


@pytest.mark.parametrize("read", [schemas.new_link, schemas.changes, schemas.query])
def test_visibility_is_read_or_left_out(read: Any) -> None:
    assert read("alice", {"url": "ftp://h/", "visibility": "private"}).visibility is PRIVATE
    for nothing in ({}, {"visibility": ""}, {"visibility": None}):
        assert read("alice", {"url": "ftp://h/", **nothing}).visibility is None
    for wrong in ("Private", "all", "private,public"):
        with pytest.raises(InvalidInput) as refusal:
            read("alice", {"url": "ftp://h/", "visibility": wrong})
        assert (refusal.value.code, refusal.value.field) == ("invalid_visibility", "visibility")


@given(
    st.sampled_from(Audience),
    st.sampled_from(Audience),
    st.none() | st.sampled_from(Visibility),
    st.none() | st.sampled_from(Visibility),
)
def test_token_is_good_where_the_same_links_are_listed(
    audience: Audience, other: Audience, filtered: Visibility | None, by: Visibility | None
) -> None:
    """And nowhere else; what it may list is asked anew each time, so it opens nothing."""
    query = Query("alice", visibility=filtered, audience=audience)
    document: schemas.QueryDoc = {"start_token": token_of(query), "visibility": by or ""}
    same = query.visibilities == Query("alice", visibility=by, audience=other).visibilities
    with nullcontext() if same else pytest.raises(InvalidInput, match="start_token"):
        schemas.query("alice", document, other)


@pytest.mark.parametrize("wrong", ["", "everybody", None, 5, ["owner"]])
def test_audience_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        schemas.query("alice", {}, wrong)
    assert refusal.value.code == "invalid_audience"
