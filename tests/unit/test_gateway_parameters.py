"""What goes in over HTTP: read as declared, or refused by name."""

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from chassis import errors, http
from contracts import limits
from gateway import parameters
from gateway.validation import Reader, hints

URL = "https://nats.io"
EVERYTHING = [
    each
    for each in vars(parameters).values()
    if isinstance(each, type) and hasattr(each, "__total__")
]


def read(takes: Any, params: dict[str, Any]) -> Any:
    return Reader(takes).params(params)


def refusal(takes: Any, params: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(errors.InvalidInput) as caught:
        read(takes, params)
    return caught.value.code, caught.value.field


def test_only_known_parameters_are_passed_on() -> None:
    params = {"url": URL, "tags": ["a"], "username": "mallory", "status": "valid"}
    assert read(parameters.NewLink, params) == {"url": URL, "tags": ["a"]}
    changes = {"url": URL, "add_tags": "b", "tags": ["a"]}
    assert read(parameters.LinkChanges, changes) == {"url": URL, "add_tags": "b"}


def test_link_query_passes_filters_and_reads_the_size() -> None:
    params = {"tag": ["a", "b"], "url_regex": "x", "page_size": "20", "owner": "bob"}
    expected = {"tag": ["a", "b"], "url_regex": "x", "page_size": 20}
    assert read(parameters.LinkQuery, params) == expected
    assert read(parameters.LinkQuery, {}) == {}


@pytest.mark.parametrize("size", [1, 100, "1", "100", "007"])
def test_page_size_may_be_text(size: Any) -> None:
    assert read(parameters.Page, {"page_size": size}) == {"page_size": int(size)}


@pytest.mark.parametrize(
    "size",
    [
        *(0, -1, 101, "0", "101", "-1", "", "ten", "1.0", 1.0, 1.5, True, None, [], [1], {}),
        *("\uff19", "9" * 5000, 10**30, "+1", " 1", "1e1", "0x10"),
    ],
)
def test_page_size_must_be_1_to_100(size: Any) -> None:
    for takes in (parameters.Page, parameters.LinkQuery, parameters.NewsQuery):
        assert refusal(takes, {"page_size": size}) == ("invalid_page_size", "page_size")


@pytest.mark.parametrize("token", [5, None, [], {}])
def test_start_token_must_be_a_text(token: Any) -> None:
    assert refusal(parameters.Page, {"start_token": token}) == ("invalid_token", "start_token")


def test_order_is_oldest_or_newest() -> None:
    assert read(parameters.NewsQuery, {"order": "newest"}) == {"order": "newest"}
    for order in ("", "NEWEST", 1, None, [], {}):
        assert refusal(parameters.NewsQuery, {"order": order}) == ("invalid_order", "order")


@pytest.mark.parametrize(("takes", "name"), [
    (parameters.Followed, "followed"),
    (parameters.LinkName, "url"),
    (parameters.NewLink, "url"),
    (parameters.LinkChanges, "url"),
])  # fmt: skip
def test_what_is_required_must_be_there(takes: Any, name: str) -> None:
    for params in ({}, {name: ""}, {name: None}):
        assert refusal(takes, dict(params)) == (f"missing_{name}", name)


def test_text_must_be_a_text() -> None:
    assert read(parameters.Followed, {"followed": "bob"}) == {"followed": "bob"}
    assert refusal(parameters.Followed, {"followed": ["bob"]}) == ("invalid_followed", "followed")
    assert refusal(parameters.LinkName, {"url": 1}) == ("invalid_text", "url")
    assert refusal(parameters.NewLink, {"url": URL, "title": 1}) == ("invalid_text", "title")


@pytest.mark.parametrize(
    ("takes", "name", "longest", "code"),
    [
        (parameters.NewLink, "url", limits.URL_LENGTH, "url_too_long"),
        (parameters.NewLink, "title", limits.TITLE_LENGTH, "title_too_long"),
        (parameters.NewLink, "description", limits.DESCRIPTION_LENGTH, "description_too_long"),
        (parameters.LinkQuery, "title_regex", limits.REGEX_LENGTH, "regex_too_long"),
    ],
)
def test_text_may_be_as_long_as_declared(takes: Any, name: str, longest: int, code: str) -> None:
    others = {"url": URL} if takes is parameters.NewLink else {}
    assert read(takes, others | {name: "x" * longest})[name] == "x" * longest
    assert refusal(takes, others | {name: "x" * (longest + 1)}) == (code, name)


@pytest.mark.parametrize("tags", [["a"], [], {"a": True, "b": False}, "a,b", "", None])
def test_tags_come_in_three_forms(tags: Any) -> None:
    assert read(parameters.NewLink, {"url": URL, "tags": tags}) == {"url": URL, "tags": tags}


@pytest.mark.parametrize("tags", [1, True, [1], [None], [["a"]], {"a": 1}, {"a": "true"}])
def test_tags_come_in_no_other_form(tags: Any) -> None:
    assert refusal(parameters.NewLink, {"url": URL, "tags": tags}) == ("invalid_tag", "tags")


def test_null_is_left_to_the_link_as_if_nothing_was_given() -> None:
    params = {"url": URL, "title": None, "description": None}
    assert read(parameters.LinkChanges, dict(params)) == params


def test_first_wrong_parameter_as_declared_is_named() -> None:
    params = {"page_size": 0, "title_regex": 1, "url_regex": 2}
    assert refusal(parameters.LinkQuery, params)[1] == "page_size"
    assert refusal(parameters.NewLink, {"tags": 1})[1] == "url"


def test_request_may_repeat_what_is_a_list_and_nothing_else() -> None:
    reader = Reader(parameters.LinkQuery)
    assert reader.request(a_request("/?tag=a&tag=b")) == {"tag": ["a", "b"]}
    with pytest.raises(errors.InvalidInput, match="once"):
        reader.request(a_request("/?order=newest&order=newest"))


@pytest.mark.parametrize("takes", EVERYTHING, ids=lambda each: each.__name__)
def test_every_parameter_is_described(takes: type) -> None:
    for name, hint in hints(takes).items():
        assert hint.__metadata__[0].description, name


def a_request(path: str) -> http.Request:
    return http.Request(EnvironBuilder(path).get_environ())
