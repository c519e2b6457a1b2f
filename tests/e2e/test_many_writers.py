"""Sixty-four writers at once, over HTTP: whoever has to wait waits, and nobody is refused."""

import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.e2e.api import Api, person
from tests.e2e.system import System

WRITERS, ADDS = 64, 10
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def patient(own_system: System) -> System:
    """Start a system whose limits are all as they are, but for the time that a request may take.

    How fast this machine is, with others at work on it, is not asked here.
    """
    own_system.env["RPC_TIMEOUT_SECONDS"] = "20"
    own_system.start()
    return own_system


def write(api: Api, number: int) -> list[int]:
    """Add some links over one connection; return the statuses of the answers."""
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=60)
    statuses = []
    with closing(connection):
        for each in range(ADDS):
            body = json.dumps({"url": url(number, each), "title": "T", "tags": ["t"]})
            connection.request("POST", "/v1.0/links", body, HEADERS | api.headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    return statuses


def url(number: int, each: int) -> str:
    return f"https://many.example/{number}/{each}"


def all_urls(api: Api) -> list[str]:
    """Return the URLs of all pages."""
    urls, token = [], ""
    while True:
        page = api.links(page_size=100, start_token=token)
        urls += [link["Url"] for link in page["links"]]
        token = page["next_token"]
        if not token:
            return urls


def assert_none_fails(writers: Sequence[Api]) -> None:
    """Let every writer write at once; check that all that they wrote is there once."""
    with ThreadPoolExecutor(len(writers)) as pool:
        statuses = [each for some in pool.map(write, writers, range(WRITERS)) for each in some]
    assert statuses == [200] * WRITERS * ADDS
    people = {api.name: api for api in writers}
    found = [each for api in people.values() for each in all_urls(api)]
    wanted = [url(number, each) for number in range(WRITERS) for each in range(ADDS)]
    assert sorted(found) == sorted(wanted)


def test_sixty_four_writers_of_one_person_and_of_many(patient: System) -> None:
    one = person(patient.url, "one")
    assert_none_fails([one] * WRITERS)
    assert_none_fails([person(patient.url, f"each-{number}") for number in range(WRITERS)])
