"""What becomes of the bookmarks, counted."""

from collections import deque

import pytest

from bench.api import Answer
from bench.bookmarks import Bookmark
from bench.demo.loader import Tally, as_parameters
from embedded.errors import CannotStart


def a_tally() -> Tally:
    return Tally({"alice": deque(maxlen=2)})


def a_refusal(status: int, code: str) -> Answer:
    return Answer(status, {"err": "no", "code": code, "detail": f"This is {code}."})


def test_tally_counts_by_answer() -> None:
    tally = a_tally()
    tally.count("alice", Bookmark("https://a.example/", private=True), Answer(200, {"err": ""}))
    tally.count("alice", Bookmark("https://a.example/"), a_refusal(409, "link_exists"))
    tally.count("alice", Bookmark("gopher://a.example/"), a_refusal(400, "invalid_url"))
    tally.count("alice", Bookmark("place:x"), a_refusal(400, "invalid_url"))
    tally.count("alice", Bookmark("https://b.example/"), Answer(500, {}))
    assert (tally.added, tally.already_there, tally.private) == (1, 1, 1)
    refused = tally.refused["invalid_url"]
    assert (refused.count, refused.example) == (2, "gopher://a.example/")
    assert refused.reason == "This is invalid_url."
    assert tally.refused["500"].count == 1


def test_tally_keeps_the_latest_links() -> None:
    tally = a_tally()
    for number in range(5):
        tally.count("alice", Bookmark(f"https://a.example/{number}"), Answer(200, {}))
    assert list(tally.latest["alice"]) == ["https://a.example/3", "https://a.example/4"]


def test_tally_gives_up_on_a_token_that_is_good_no_more() -> None:
    with pytest.raises(CannotStart, match="alice's token"):
        a_tally().count("alice", Bookmark("https://a.example/"), a_refusal(401, "access_denied"))


@pytest.mark.parametrize(
    ("bookmark", "parameters"),
    [
        (Bookmark("x:"), {"url": "x:", "tags": []}),
        (
            Bookmark("x:", title="A", description="B", tags=("c::d",)),
            {"url": "x:", "tags": ["c::d"], "title": "A", "description": "B"},
        ),
    ],
)
def test_parameters_leave_out_what_the_file_does(
    bookmark: Bookmark, parameters: dict[str, object]
) -> None:
    assert as_parameters(bookmark) == parameters
