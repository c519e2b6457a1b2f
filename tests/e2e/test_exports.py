"""A person's links as a file: all that was in them, whole or recognizably not."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from contracts.limits import DESCRIPTION_LENGTH, TAG_LENGTH, TAGS, TITLE_LENGTH, URL_LENGTH
from tests.e2e.api import Api, assert_refused
from tests.e2e.conftest import MAX_LINKS_PER_USER
from tests.e2e.survival import parts
from tests.e2e.system import System
from tests.e2e.test_imports import ended
from tests.processes import until

Newcomer = Callable[[str], Api]

PATH = "/v1.0/links/export"
URL = "https://example.org/exported"
LINKS: list[dict[str, Any]] = [
    {"url": f"{URL}?a=1&b='2'", "title": 'It\'s <b>"bold"</b> &amp; more', "tags": ["a b", "<&>"]},
    {"url": f"{URL}/\N{PARTY POPPER}", "title": "\N{PARTY POPPER}", "visibility": "public"},
    {
        "url": f"{URL}/rtl",
        "title": "\u0645\u0631\u062d\u0628\u0627 \u202b(RTL)",
        "tags": ["\u0645"],
    },
    {"url": f"{URL}/lines", "description": " one\n\ntwo\r\n\tthree  ", "visibility": "private"},
    {
        "url": f"{URL}/none",
        "title": "</A></DL><script>alert(1)</script>",
        "visibility": "followers",
    },
]


@pytest.fixture
def alice(newcomer: Newcomer) -> Api:
    api = newcomer("alice")
    for link in LINKS:
        api.add_link(**link)
    return api


@pytest.fixture
def rich(newcomer: Newcomer) -> Api:
    """Return somebody with more than sockets hold on their way."""
    api = newcomer("rich")
    links = [
        {
            "Url": f"{URL}/{number:03}/".ljust(URL_LENGTH, "&"),
            "Title": "&" * TITLE_LENGTH,
            "Description": "&" * DESCRIPTION_LENGTH,
            "Tags": [f"{tag:02}".ljust(TAG_LENGTH, '"') for tag in range(TAGS)],
        }
        for number in range(MAX_LINKS_PER_USER)
    ]
    bring_in(api, "\n".join(map(json.dumps, links)))
    return api


def bring_in(api: Api, file: str | bytes) -> None:
    answer = api.call("POST", "/v1.0/imports", data=file)
    job = ended(api, answer.json()["job"]["id"])
    assert (job["state"], job["failed"]) == ("done", 0)


def exported(api: Api, name: str = "html") -> bytes:
    answer = api.call("GET", PATH, params={"format": name})
    assert answer.status_code == 200, answer.text
    return answer.content


def kept(api: Api, moments: int) -> list[dict[str, Any]]:
    """Return what somebody's links say, with so many letters of their times."""
    shown = api.links(page_size=100)["links"]
    names = ("Url", "Title", "Description", "Tags", "Visibility")
    return [
        {name: link[name] for name in names} | {"CreatedAt": link["CreatedAt"][:moments]}
        for link in shown
    ]


@pytest.mark.parametrize(("name", "moments"), [("html", 19), ("jsonl", 27)])
def test_what_is_exported_is_imported_again_as_it_was(
    alice: Api, newcomer: Newcomer, name: str, moments: int
) -> None:
    bob = newcomer("bob")
    bring_in(bob, exported(alice, name))
    assert kept(bob, moments) == kept(alice, moments)
    assert exported(bob, name).count(b"\n") == exported(alice, name).count(b"\n")


def test_lines_are_links_as_the_api_shows_them(alice: Api) -> None:
    lines = exported(alice, "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == alice.links(page_size=100)["links"]


def test_somebody_without_links_gets_a_file_without_links(newcomer: Newcomer) -> None:
    bob = newcomer("bob")
    assert exported(bob, "jsonl") == b""
    assert exported(bob).startswith(b"<!DOCTYPE NETSCAPE-Bookmark-file-1>")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("name", "media"), [("html", "text/html; charset=utf-8"), ("jsonl", "application/x-ndjson")]
)
def test_the_file_is_to_be_kept_under_a_name(
    alice: Api, method: str, name: str, media: str
) -> None:
    for _ in range(2):
        answer = alice.call(method, PATH.replace("v1.0", "v1"), params={"format": name})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, media)
        start, _, end = answer.headers["Content-Disposition"].partition(alice.name)
        assert start == 'attachment; filename="links-'
        assert end.endswith(f'.{name}"')
        assert answer.headers["Cache-Control"] == "no-store"
        assert bool(answer.content) == (method == "GET")


def test_who_may_not_read_gets_no_file(alice: Api) -> None:
    answer = alice.call("POST", "/v1.0/tokens", json={"name": "robot", "scopes": ["write"]})
    robot = Api(alice.url, answer.json()["access_token"])
    assert_refused(robot.call("GET", PATH), 403, "read_scope_needed")
    assert_refused(Api(alice.url).call("GET", PATH), 401, "access_denied")
    assert_refused(alice.call("GET", f"{PATH}?format=csv"), 400, "invalid_format", "format")


@contextmanager
def exporting(api: Api, version: str = "1.1") -> Iterator[HTTPResponse]:
    """Ask for the file, and read its head, while hardly more than that is on its way."""
    address = urlsplit(api.url)
    with closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect((address.hostname, address.port))
        head = f"GET {PATH} HTTP/{version}\r\nHost: x\r\nAccess-Token: {api.token}\r\n\r\n"
        sock.sendall(head.encode())
        with closing(HTTPResponse(sock)) as response:
            response.begin()
            assert response.status == 200
            yield response


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("part", ["link_svc", "PostgreSQL", "NATS"])
def test_a_part_that_is_frozen_in_the_middle_breaks_the_file_off(
    system: System, rich: Api, part: str, version: str
) -> None:
    process = parts(system)[part]
    members = [process, *process.children(recursive=True)]
    with exporting(rich, version) as response:
        for member in members:
            member.suspend()
        try:
            assert_breaks_off(response)
        finally:
            for member in members:
                member.resume()
    until(lambda: rich.call("GET", "/v1.0/links").ok)
    assert exported(rich).count(b"<DT>") == MAX_LINKS_PER_USER


@pytest.mark.parametrize("part", ["link_svc", "gateway"])
def test_a_part_that_is_killed_in_the_middle_breaks_the_file_off(
    system: System, rich: Api, part: str
) -> None:
    with exporting(rich, "1.0") as response:
        parts(system)[part].kill()
        assert_breaks_off(response)
    until(lambda: rich.call("GET", "/v1.0/links").ok)
    assert exported(rich).count(b"<DT>") == MAX_LINKS_PER_USER


def assert_breaks_off(response: HTTPResponse) -> None:
    with pytest.raises((HTTPException, ConnectionResetError)):
        response.read()


def test_a_part_that_is_away_before_the_first_byte_is_told(system: System, alice: Api) -> None:
    process = parts(system)["link_svc"]
    process.suspend()
    try:
        assert_refused(alice.call("GET", PATH), 503, "peer_timed_out")
    finally:
        process.resume()
    until(lambda: alice.call("GET", PATH).ok)


def test_one_export_of_a_person_goes_on_at_a_time(rich: Api, alice: Api) -> None:
    with exporting(rich) as response:
        refused = rich.call("GET", PATH)
        assert_refused(refused, 503, "export_under_way")
        assert int(refused.headers["Retry-After"]) >= 1
        assert exported(alice).count(b"<DT>") == len(LINKS)
        response.read(65536)
    until(lambda: rich.call("HEAD", PATH).ok)
    for version in ("1.0", "1.1"):
        with exporting(rich, version) as response:
            assert response.read().endswith(b"</DL><p>\n")
