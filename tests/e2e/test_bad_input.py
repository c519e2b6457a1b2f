"""Bad parameters over HTTP alone: the right refusal, nothing written, and nobody dies of it."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.limits import LARGEST_PAGE
from tests.e2e.api import Api, assert_refused
from tests.e2e.survival import SERVERS, SERVICES, pids
from tests.e2e.system import System
from tests.processes import until

Newcomer = Callable[[str], Api]
Refusal = tuple[int, str, str]

KEPT = "https://kept.example/"
URL = "https://new.example/"
LONGEST_URL = URL + "x" * (2048 - len(URL))

JSON = {"Content-Type": "application/json"}
LINKS, FOLLOWERS, FOLLOWING, NEWS = (
    f"/v1.0/{path}" for path in ("links", "followers", "following", "news")
)


@pytest.fixture(scope="module")
def before(system: System) -> dict[str, int]:
    return pids(system)


@pytest.fixture(scope="module")
def owner(newcomer: Newcomer) -> Api:
    """Somebody with one link, who follows one person."""
    owner, friend = newcomer("owner"), newcomer("friend")
    owner.add_link(KEPT, title="kept", tags=["kept"])
    owner.follow(friend.name)
    return owner


@pytest.fixture(scope="module")
def owned(owner: Api) -> dict[str, Any]:
    """Return what the owner has, and shall have after every refusal."""
    return {LINKS: owner.links(), FOLLOWING: owner.following()}


def assert_unharmed(owner: Api, owned: dict[str, Any], path: str) -> None:
    """Check that nothing was written behind this path."""
    if path in owned:
        assert owner.call("GET", path).json() == owned[path]


# What is wrong with a text wherever one is given: each value, the answer's status and code.
BAD_URLS: dict[str, tuple[str, str]] = {
    "empty": ("", "missing_url"),
    "blank": (" ", "missing_url"),
    "a word": ("word", "invalid_url"),
    "no host": ("https://", "invalid_url"),
    "no host, a path": ("https:///path", "invalid_url"),
    "a path": ("/path", "invalid_url"),
    "no scheme": ("//host/path", "invalid_url"),
    "javascript": ("javascript:alert(1)", "invalid_url"),
    "javascript with a host": ("javascript://host/%0aalert(1)", "invalid_url"),
    "data": ("data:text/html,hi", "invalid_url"),
    "file": ("file:///etc/passwd", "invalid_url"),
    "gopher": ("gopher://host/", "invalid_url"),
    "mailto": ("mailto:a@b.example", "invalid_url"),
    "space": ("https://host.example/a b", "invalid_url"),
    "space before": (" https://host.example/", "invalid_url"),
    "no-break space": ("https://host.example/a\u00a0b", "invalid_url"),
    "tab": ("https://host.example/a\tb", "invalid_url"),
    "line": ("https://host.example/\r\nX-Injected: 1", "invalid_url"),
    "next line": ("https://host.example/a\u0085b", "invalid_url"),
    "bell": ("https://host.example/\x07", "invalid_url"),
    "half an IPv6 address": ("https://[::1/", "invalid_url"),
    "port": ("https://host.example:99999/", "invalid_url"),
    "port that is a word": ("https://host.example:port/", "invalid_url"),
    "brackets in the host": ("https://<script>/", "invalid_url"),
    "NUL": ("https://host.example/\0", "invalid_text"),
    "too long": (LONGEST_URL + "x", "url_too_long"),
}
BAD_TAGS: dict[str, tuple[str, str]] = {
    "too long": ("x" * 65, "invalid_tag"),
    "line": ("a\r\nX-Injected: 1", "invalid_tag"),
    "bell": ("a\x07b", "invalid_tag"),
    "escape": ("a\x9bb", "invalid_tag"),
    "too many": (",".join(map(str, range(33))), "too_many_tags"),
    "NUL": ("a\0b", "invalid_text"),
}
BAD_REGEXES: dict[str, tuple[str, str]] = {
    "unfinished": ("(", "invalid_regex"),
    "nothing to repeat": ("*", "invalid_regex"),
    "look-ahead": ("(?=a)", "invalid_regex"),
    "look-behind": ("(?<!a)b", "invalid_regex"),
    "back-reference": (r"(a)\1", "invalid_regex"),
    "too much to repeat": ("((a{1000}){1000}){1000}", "invalid_regex"),
    "backslash": ("\\", "invalid_regex"),
    "class": ("[z-a]", "invalid_regex"),
    "too long": ("x" * 257, "regex_too_long"),
    "NUL": ("a\0", "invalid_text"),
}
BAD_TOKENS: dict[str, tuple[str, str]] = {
    "word": ("word", "invalid_token"),
    "number": ("-1", "invalid_token"),
    "zeros": ("A" * 44, "invalid_token"),
    "padding": ("====", "invalid_token"),
    "not ASCII": ("tökén", "invalid_token"),
    "line": ("a\r\nX-Injected: 1", "invalid_token"),
    "long": ("x" * 5000, "invalid_token"),
    "NUL": ("a\0", "invalid_text"),
}
BAD_PAGE_SIZES = ("0", "-1", "101", "abc", "1.5", " 1", "+1", "1e1", "0x10", "٣", "9" * 30, "")
BAD_NAMES: dict[str, tuple[str, str, int]] = {
    "empty": ("", "missing_followed", 400),
    "nobody": ("nobody-has-this-name", "no_such_user", 404),
    "space": ("a b", "no_such_user", 404),
    "dot": ("a.b", "no_such_user", 404),
    "wildcard": ("*", "no_such_user", 404),
    "subject": ("alice.>", "no_such_user", 404),
    "line": ("alice\r\nX-Injected: 1", "no_such_user", 404),
    "too long": ("x" * 65, "no_such_user", 404),
    "very long": ("x" * 6000, "no_such_user", 404),
    "not ASCII": ("älice", "no_such_user", 404),
    "NUL": ("alice\0", "invalid_text", 400),
}

Row = tuple[str, str, dict[str, Any], Refusal]
FEW_URLS = ("empty", "blank", "a word", "line", "NUL", "too long")
FEW_REGEXES = ("unfinished", "too long", "NUL")
FEW_SIZES = ("0", "-1", "101", "abc")


def rows() -> Iterator[tuple[str, Row]]:
    """Yield each bad request: its name, and method, path, parameters and refusal."""
    yield from url_rows()
    yield from tag_rows()
    yield from regex_rows()
    yield from page_rows()
    for name, (followed, code, status) in BAD_NAMES.items():
        refusal = (status, code, "followed")
        yield f"follow {name}", ("POST", FOLLOWING, {"followed": followed}, refusal)
    for method, url in (("POST", URL), ("PUT", KEPT)):
        for field, limit in (("title", 512), ("description", 4096)):
            long, nul = {"url": url, field: "x" * (limit + 1)}, {"url": url, field: "a\0b"}
            refusal = (400, f"{field}_too_long", field)
            yield f"{method} {field} too long", (method, LINKS, long, refusal)
            yield f"{method} {field} NUL", (method, LINKS, nul, (400, "invalid_text", field))


def url_rows() -> Iterator[tuple[str, Row]]:
    for name, (url, code) in BAD_URLS.items():
        new = {"url": url, "title": "new"}
        yield f"POST url {name}", ("POST", LINKS, new, (400, code, "url"))
        # What can only not be added is not there to be changed.
        refusal = (404, "no_such_link", "url") if code == "invalid_url" else (400, code, "url")
        if name in FEW_URLS:
            yield f"PUT url {name}", ("PUT", LINKS, new, refusal)
            yield f"DELETE url {name}", ("DELETE", LINKS, {"url": url}, refusal)


def tag_rows() -> Iterator[tuple[str, Row]]:
    for method, field in (("POST", "tags"), ("PUT", "add_tags"), ("PUT", "remove_tags")):
        for name, (tags, code) in BAD_TAGS.items():
            given = {"url": URL if method == "POST" else KEPT, field: tags}
            yield f"{field} {name}", (method, LINKS, given, (400, code, field))
    for name, (tag, code) in BAD_TAGS.items():
        yield f"tag {name}", ("GET", LINKS, {"tag": tag}, (400, code, "tag"))


def regex_rows() -> Iterator[tuple[str, Row]]:
    for part in ("url", "title", "description"):
        field = f"{part}_regex"
        for name in BAD_REGEXES if part == "url" else FEW_REGEXES:
            regex, code = BAD_REGEXES[name]
            yield f"{field} {name}", ("GET", LINKS, {field: regex}, (400, code, field))


def page_rows() -> Iterator[tuple[str, Row]]:
    for path in (LINKS, FOLLOWERS, FOLLOWING, NEWS):
        for name, (token, code) in BAD_TOKENS.items():
            refusal = (400, code, "start_token")
            yield f"{path} token {name}", ("GET", path, {"start_token": token}, refusal)
        for size in BAD_PAGE_SIZES if path == LINKS else FEW_SIZES:
            refusal = (400, "invalid_page_size", "page_size")
            yield f"{path} size {size}", ("GET", path, {"page_size": size}, refusal)
    for path, order in itertools.product((LINKS, NEWS), ("up", "OLDEST", "newest ")):
        refusal = (400, "invalid_order", "order")
        yield f"{path} order {order}", ("GET", path, {"order": order}, refusal)


ROWS = dict(rows())


@pytest.mark.parametrize("name", ROWS)
def test_bad_text_is_refused_and_nothing_is_written(
    owner: Api, owned: dict[str, Any], name: str
) -> None:
    method, path, parameters, refusal = ROWS[name]
    for where in ("json", "data", "params"):
        assert_refused(owner.call(method, path, **{where: parameters}), *refusal)
    assert_unharmed(owner, owned, path)


# What only JSON can say.
BAD_JSON: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("POST", LINKS, {}, "missing_url", "url"),
    ("POST", LINKS, {"url": None}, "missing_url", "url"),
    ("POST", LINKS, {"url": 1}, "invalid_text", "url"),
    ("POST", LINKS, {"url": [URL]}, "invalid_text", "url"),
    ("POST", LINKS, {"url": {URL: True}}, "invalid_text", "url"),
    ("POST", LINKS, {"url": URL, "title": 1}, "invalid_text", "title"),
    ("POST", LINKS, {"url": URL, "title": True}, "invalid_text", "title"),
    ("POST", LINKS, {"url": URL, "title": ["t"]}, "invalid_text", "title"),
    ("POST", LINKS, {"url": URL, "description": {}}, "invalid_text", "description"),
    ("POST", LINKS, {"url": URL, "tags": 1}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": True}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": [""]}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": ["a,b"]}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": {"a,b": True}}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": [1]}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": [None]}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": [["a"]]}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": {"a": 1}}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": {"a": "true"}}, "invalid_tag", "tags"),
    ("POST", LINKS, {"url": URL, "tags": [str(n) for n in range(33)]}, "too_many_tags", "tags"),
    ("POST", LINKS, {"url": "\ud800"}, "invalid_text", "url"),
    ("POST", LINKS, {"url": URL, "title": "\udfff"}, "invalid_text", "title"),
    ("POST", LINKS, {"url": URL, "tags": ["\ud83d"]}, "invalid_text", "tags"),
    ("POST", LINKS, {"url": URL, "tags": {"\ud83d": True}}, "invalid_text", "tags"),
    ("POST", LINKS, {"url": URL, "else\0": 1}, "invalid_text", "body"),
    ("PUT", LINKS, {"url": 1, "title": "new"}, "invalid_text", "url"),
    ("PUT", LINKS, {"title": "new"}, "missing_url", "url"),
    ("PUT", LINKS, {"url": KEPT, "title": 1}, "invalid_text", "title"),
    ("PUT", LINKS, {"url": KEPT, "description": []}, "invalid_text", "description"),
    ("PUT", LINKS, {"url": KEPT, "add_tags": {"a": None}}, "invalid_tag", "add_tags"),
    ("PUT", LINKS, {"url": KEPT, "remove_tags": 1}, "invalid_tag", "remove_tags"),
    (
        *("PUT", LINKS, {"url": KEPT, "add_tags": [str(number) for number in range(32)]}),
        *("too_many_tags", "add_tags"),
    ),
    ("DELETE", LINKS, {}, "missing_url", "url"),
    ("DELETE", LINKS, {"url": 1}, "invalid_text", "url"),
    ("GET", LINKS, {"tag": 1}, "invalid_tag", "tag"),
    ("GET", LINKS, {"tag": [""]}, "invalid_tag", "tag"),
    ("GET", LINKS, {"url_regex": 1}, "invalid_text", "url_regex"),
    ("GET", LINKS, {"order": 1}, "invalid_order", "order"),
    ("GET", LINKS, {"start_token": 1}, "invalid_token", "start_token"),
    ("GET", NEWS, {"start_token": 1}, "invalid_token", "start_token"),
    ("GET", NEWS, {"start_token": ["x"]}, "invalid_token", "start_token"),
    ("GET", NEWS, {"order": 1}, "invalid_order", "order"),
    ("GET", NEWS, {"order": None}, "invalid_order", "order"),
    ("GET", FOLLOWERS, {"start_token": {}}, "invalid_token", "start_token"),
    ("POST", FOLLOWING, {}, "missing_followed", "followed"),
    ("POST", FOLLOWING, {"followed": 1}, "invalid_followed", "followed"),
    ("POST", FOLLOWING, {"followed": ["alice"]}, "invalid_followed", "followed"),
    ("DELETE", FOLLOWING, {"followed": None}, "missing_followed", "followed"),
    *(
        ("GET", NEWS, {"page_size": size}, "invalid_page_size", "page_size")
        for size in (0, -1, 101, 1.0, 1.5, True, None, [1], {}, 10**30)
    ),
]


@pytest.mark.parametrize(("method", "path", "parameters", "code", "field"), BAD_JSON)
def test_bad_json_value_is_refused_and_nothing_is_written(
    owner: Api,
    owned: dict[str, Any],
    method: str,
    path: str,
    parameters: dict[str, Any],
    code: str,
    field: str,
) -> None:
    assert_refused(owner.call(method, path, json=parameters), 400, code, field)
    assert_unharmed(owner, owned, path)


@pytest.mark.parametrize("path", [LINKS, FOLLOWERS, FOLLOWING, NEWS])
def test_d12_page_is_as_large_as_the_limit_and_no_larger(owner: Api, path: str) -> None:
    assert owner.call("GET", path, params={"page_size": LARGEST_PAGE}).status_code == 200
    answer = owner.call("GET", path, params={"page_size": LARGEST_PAGE + 1})
    assert_refused(answer, 400, "invalid_page_size", "page_size")


def test_longest_of_everything_is_kept(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    tags = [f"{number:02}" + "ü" * 62 for number in range(32)]
    fields = {"url": LONGEST_URL, "title": "ö" * 512, "description": "𝄞" * 4096, "tags": tags}
    body = json.dumps(fields, ensure_ascii=False).encode()
    assert alice.call("POST", LINKS, data=body, headers=JSON).status_code == 200
    (link,) = alice.links(url_regex="x{256}", tag=",".join(tags[:5]))["links"]
    assert (link["Url"], link["Title"]) == (LONGEST_URL, "ö" * 512)
    assert (link["Description"], link["Tags"]) == ("𝄞" * 4096, dict.fromkeys(tags, True))
    answer = alice.call("DELETE", LINKS, params={"url": LONGEST_URL})
    assert answer.json() == {"err": ""}


@pytest.fixture(scope="module")
def two(newcomer: Newcomer) -> tuple[Api, Api]:
    """Two people with two links each, who follow each other and the same two others."""
    two = newcomer("alice"), newcomer("bob")
    others = newcomer("carol"), newcomer("dave")
    for one, other in (two, two[::-1]):
        for number in range(2):
            one.add_link(f"{URL}{number}", tags=["tag"])
        one.follow(other.name)
        for each in others:
            one.follow(each.name)
            each.follow(one.name)
    return two


@pytest.mark.parametrize("path", [LINKS, FOLLOWERS, FOLLOWING])
def test_token_is_good_for_its_own_list_alone(two: tuple[Api, Api], path: str) -> None:
    alice, bob = two
    token = alice.call("GET", path, params={"page_size": 1}).json()["next_token"]
    assert alice.call("GET", path, params={"start_token": token}).status_code == 200
    elsewhere = [
        (bob, path, {}),
        (alice, LINKS, {"tag": "tag"}),
        (alice, LINKS, {"url_regex": "e"}),
    ]
    elsewhere += [(alice, LINKS, {"order": "newest"}), (alice, NEWS, {})]
    elsewhere += [(alice, other, {}) for other in (LINKS, FOLLOWERS, FOLLOWING) if other != path]
    for who, where, query in elsewhere:
        answer = who.call("GET", where, params={"start_token": token} | query)
        assert_refused(answer, 400, "invalid_token", "start_token")


@pytest.mark.parametrize("path", [LINKS, FOLLOWERS, FOLLOWING, NEWS])
def test_d11_damaged_token_is_refused(two: tuple[Api, Api], path: str) -> None:
    alice, _ = two
    if path == NEWS:
        _wait_for_news(alice)
    token = alice.call("GET", path, params={"page_size": 1}).json()["next_token"]
    other = "A" if token[0] != "A" else "B"
    damaged = [token[:-1], token[1:], other + token[1:], token + "A", token + token]
    damaged += [token.swapcase(), token + "=", f" {token}", "x" * 10_000]
    for each in damaged:
        answer = alice.call("GET", path, json={"start_token": each})
        assert_refused(answer, 400, "invalid_token", "start_token")


def test_news_token_of_another_shows_nothing_of_theirs(two: tuple[Api, Api]) -> None:
    alice, bob = two
    _wait_for_news(alice)
    token = alice.news(page_size=1)["next_token"]
    answer = bob.call("GET", NEWS, params={"start_token": token})
    assert answer.status_code in (200, 400)
    assert bob.name not in [event["Username"] for event in answer.json().get("events", [])]


def _wait_for_news(reader: Api) -> None:
    until(lambda: len(reader.told()) == 2)


def test_nobody_has_died_of_it(system: System, before: dict[str, int]) -> None:
    assert set(before) == {*SERVICES, *SERVERS.values()}
    assert pids(system) == before
    assert system.is_ready()
