"""Requests that are wrong as HTTP or as JSON: a clear refusal, and nobody dies of it."""

import gzip
import http.client
import json
import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.e2e.api import Api, assert_refused
from tests.e2e.survival import pids
from tests.e2e.system import System

Newcomer = Callable[[str], Api]

LINKS = "/v1.0/links"
URL = "https://new.example/"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MAX_BODY_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def before(system: System) -> dict[str, int]:
    return pids(system)


@pytest.fixture(scope="module")
def alice(newcomer: Newcomer, before: dict[str, int]) -> Api:
    return newcomer("alice")


@pytest.mark.parametrize(
    "path",
    [
        *("/v1.0", "/v1.0/", "/v1.0/nothing", "/v1.0/links/1", "/v2.0/links", "/v1.0/Links"),
        *("/v1.0//links", "/v1.0/../etc/passwd", "/.git/config", "/metrics"),
        *("/health", "/login/else", "/favicon.ico", "/v1.0/links;a=b", "/%E2%80%AE", "/'--"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
def test_d10_unknown_address_is_404_as_json(alice: Api, method: str, path: str) -> None:
    assert raw(alice, f"{method} {path} HTTP/1.1") == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (LINKS, {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}),
        ("/v1/following", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("/v1.0/followers", {"GET", "HEAD", "OPTIONS"}),
        ("/v1.0/news", {"GET", "HEAD", "OPTIONS"}),
        ("/logout", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/login", {"GET", "HEAD", "OPTIONS"}),
        ("/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_d10_unknown_method_is_405_and_names_the_known(
    alice: Api, path: str, methods: set[str]
) -> None:
    everything = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"}
    for method in everything - methods:
        answer = alice.call(method, path)
        assert_refused(answer, 405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == methods
    answer = alice.call("OPTIONS", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["Allow"].split(", ")) == methods


def test_d10_head_answers_as_get_without_a_body(alice: Api) -> None:
    answer = alice.call("HEAD", LINKS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert Api(alice.url).call("HEAD", LINKS).status_code == 401


DEEP = '{"url": ' + "[" * 10_000 + "]" * 10_000 + "}"
BAD_JSON: dict[str, str | bytes] = {
    "words": "url = https://new.example/",
    "cut": '{"url": "https://new.example/"',
    "more": '{"url": "https://new.example/"} {}',
    "comma": '{"url": "https://new.example/",}',
    "single quotes": "{'url': 'https://new.example/'}",
    "list": '["https://new.example/"]',
    "text": '"https://new.example/"',
    "number": "1",
    "null": "null",
    "true": "true",
    "empty list": "[]",
    "space": " ",
    "byte order mark": b'\xef\xbb\xbf{"url": "https://new.example/"}',
    "twice": '{"url": "https://new.example/", "url": "https://new.example/"}',
    "twice, within": '{"url": "https://new.example/", "tags": {"a": true, "a": false}}',
    "NaN": '{"url": "https://new.example/", "x": NaN}',
    "Infinity": '{"url": "https://new.example/", "x": -Infinity}',
    "a number too large": '{"url": "https://new.example/", "x": 1e999}',
    "digits": '{"url": "https://new.example/", "x": ' + "9" * 50_000 + "}",
    "deep": DEEP,
    "deep objects": '{"a":' * 9_000 + "1" + "}" * 9_000,
    "deeper than we read": '{"url": "https://new.example/", "x": ' + "[" * 17 + "]" * 17 + "}",
    "a line in a text": '{"url": "https://new.example/", "title": "a\nb"}',
}


@pytest.mark.parametrize("name", BAD_JSON)
@pytest.mark.parametrize("content_type", ["application/json", "application/problem+json", ""])
def test_d4_json_that_is_none_is_refused(alice: Api, name: str, content_type: str) -> None:
    body, headers = BAD_JSON[name], {"Content-Type": content_type} if content_type else {}
    raw_body = body.encode() if isinstance(body, str) else body
    answer = alice.call("POST", LINKS, data=raw_body, headers=headers)
    assert_refused(answer, 400, "invalid_json", "body")
    assert alice.urls() == []


INVALID = [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"]


@pytest.mark.parametrize("raw_text", INVALID)
def test_d5_invalid_utf8_is_refused_wherever_it_is(alice: Api, raw_text: bytes) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in raw_text)
    body = b'{"url": "https://new.example/", "title": "' + raw_text + b'"}'
    answer = alice.call("POST", LINKS, data=body, headers=JSON)
    assert_refused(answer, 400, "invalid_encoding", "body")
    for form in (f"url={URL}&title={escaped}".encode(), b"url=" + URL.encode() + raw_text):
        answer = alice.call("POST", LINKS, data=form, headers=FORM)
        assert_refused(answer, 400, "invalid_encoding", "body")
    for query in (f"url={URL}&title={escaped}", f"url={URL}&{escaped}=1"):
        answer = alice.call("POST", f"{LINKS}?{query}")
        assert_refused(answer, 400, "invalid_encoding", "query")
    assert raw(alice, f"GET /v1.0/{escaped} HTTP/1.1") == (400, "invalid_encoding")
    assert raw(alice, b"GET /v1.0/" + raw_text + b" HTTP/1.1") == (400, "invalid_encoding")
    for name in ("Access-Token", "Authorization"):
        value = b"Bearer " + raw_text if name == "Authorization" else raw_text
        answer = Api(alice.url).call("GET", LINKS, headers={name: value})
        assert_refused(answer, 401, "access_denied")
    assert alice.call("GET", LINKS, headers={"X-Request-ID": raw_text}).status_code == 200
    assert alice.urls() == []


@pytest.mark.parametrize("path", ["/v1.0/%00", "/v1.0/links%0d%0aX-Injected:%201", "/%7f"])
def test_control_characters_in_the_path_are_refused(alice: Api, path: str) -> None:
    assert raw(alice, f"GET {path} HTTP/1.1") == (400, "invalid_encoding")


@pytest.mark.parametrize(
    "line",
    [
        *("X-Test: a\0b", "X-Test: a\x07b", "X-Test : a", "X Test: a", ": a", "X-Test"),
        *(" X-Test: folded", "Host: another.example", "Content-Length: -1", "Content-Length: x"),
        "Transfer-Encoding: gzip",
    ],
)
def test_malformed_header_is_refused(alice: Api, line: str) -> None:
    assert raw(alice, f"GET {LINKS} HTTP/1.1", line) == (400, "bad_request")


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/xml", "image/png", "application/octet-stream", "nonsense"),
        *("application/json; charset=utf-16", "application/x-www-form-urlencoded; charset=latin1"),
    ],
)
def test_d4_another_content_type_is_415(alice: Api, content_type: str) -> None:
    body = json.dumps({"url": URL}).encode()
    answer = alice.call("POST", LINKS, data=body, headers={"Content-Type": content_type})
    assert_refused(answer, 415, "unsupported_media_type")
    assert alice.urls() == []


def test_file_or_compressed_body_is_415(alice: Api) -> None:
    answer = alice.call("POST", LINKS, files={"url": ("url.txt", URL)})
    assert_refused(answer, 415, "unsupported_media_type")
    packed = gzip.compress(json.dumps({"url": URL}).encode())
    answer = alice.call("POST", LINKS, data=packed, headers=JSON | {"Content-Encoding": "gzip"})
    assert_refused(answer, 415, "unsupported_media_type")
    assert alice.urls() == []


@pytest.mark.parametrize("headers", [JSON, FORM, {"Content-Type": "text/plain"}])
def test_d3_body_over_the_limit_is_413(alice: Api, headers: dict[str, str]) -> None:
    body = b'{"url": "https://new.example/"}'.ljust(MAX_BODY_BYTES + 1)
    assert_refused(alice.call("POST", LINKS, data=body, headers=headers), 413, "body_too_large")
    pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
    chunked = alice.call("POST", LINKS, data=pieces, headers=headers)
    assert_refused(chunked, 413, "body_too_large")
    assert alice.urls() == []


def test_d3_body_of_the_limit_is_read(alice: Api) -> None:
    body = b'{"url": "https://limit.example/"}'.ljust(MAX_BODY_BYTES)
    assert alice.call("POST", LINKS, data=body, headers=JSON).status_code == 200
    alice.delete_link("https://limit.example/")


def test_address_and_header_over_the_limit_are_refused(alice: Api) -> None:
    long = alice.call("GET", f"{LINKS}?start_token={'x' * 9000}")
    assert_refused(long, 414, "url_too_long")
    long = alice.call("GET", LINKS, headers={"Access-Token": "x" * 9000})
    assert_refused(long, 431, "header_too_large")


@pytest.mark.parametrize("name", ["url", "title", "description"])
def test_parameter_given_twice_is_refused(alice: Api, name: str) -> None:
    pairs = {"url": [URL], name: [URL, URL]}
    for where in ("params", "data"):
        answer = alice.call("POST", LINKS, **{where: pairs})
        assert_refused(answer, 400, "repeated_parameter", name)
    assert alice.urls() == []


def test_nobody_has_died_of_it(system: System, before: dict[str, int]) -> None:
    assert pids(system) == before
    assert system.is_ready()


def raw(caller: Api, request_line: str | bytes, *headers: str) -> tuple[int, str]:
    """Send what no library sends; return status and code of the refusal."""
    host = caller.url.removeprefix("http://")
    address, _, port = host.partition(":")
    first = request_line.encode() if isinstance(request_line, str) else request_line
    lines = [first, f"Host: {host}".encode(), f"Access-Token: {caller.token}".encode()]
    lines += [line.encode("latin-1") for line in headers]
    with closing(socket.create_connection((address, int(port)), timeout=10)) as connection:
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        problem = json.loads(answer.read())
        answer.close()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer.status
    return answer.status, problem["code"]
