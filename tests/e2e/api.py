"""A person's view of the public API, for tests."""

import re
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

import requests

from tests.processes import until

Event = tuple[str, str, str]

SECONDS = 10
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Api:
    """One caller: the methods return the answer's JSON, and assert that it is a success."""

    def __init__(self, url: str, token: str = "", name: str = "") -> None:
        self.url = url
        self.token = token
        self.name = name
        self.headers = {"Access-Token": token} if token else {}

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send any request, and return its answer as it is."""
        headers = self.headers | arguments.pop("headers", {})
        return requests.request(
            method, self.url + path, headers=headers, timeout=SECONDS, **arguments
        )

    def add_link(self, url: str, **fields: Any) -> None:
        self._success(self.call("POST", "/v1.0/links", json={"url": url, **fields}))

    def update_link(self, url: str, **fields: Any) -> None:
        self._success(self.call("PUT", "/v1.0/links", json={"url": url, **fields}))

    def delete_link(self, url: str) -> None:
        self._success(self.call("DELETE", "/v1.0/links", json={"url": url}))

    def links(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/links", params=query))

    def follow(self, followed: str) -> None:
        self._success(self.call("POST", "/v1.0/following", json={"followed": followed}))

    def unfollow(self, followed: str) -> None:
        self._success(self.call("DELETE", "/v1.0/following", json={"followed": followed}))

    def followers(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/followers", params=query))

    def following(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/following", params=query))

    def block(self, blocked: str) -> None:
        self._success(self.call("POST", "/v1.0/blocked", json={"blocked": blocked}))

    def unblock(self, blocked: str) -> None:
        self._success(self.call("DELETE", "/v1.0/blocked", json={"blocked": blocked}))

    def user(self, name: str) -> dict[str, Any]:
        """Return somebody's page."""
        user: dict[str, Any] = self._success(self.call("GET", f"/v1.0/users/{name}"))["user"]
        return user

    def links_of(self, name: str, **query: Any) -> list[str]:
        """Return the URLs of one page of somebody's links."""
        answer = self._success(self.call("GET", f"/v1.0/users/{name}/links", params=query))
        return [link["Url"] for link in answer["links"]]

    def news(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/news", params=query))

    def urls(self, **query: Any) -> list[str]:
        """Return the URLs of one page of links."""
        return [link["Url"] for link in self.links(**query)["links"]]

    def told(self, **query: Any) -> list[Event]:
        """Return one page of news, without times: what was done, by whom, to which URL."""
        events = self.news(**query)["events"]
        return [(event["EventType"], event["Username"], event["Url"]) for event in events]

    def _success(self, answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        body: dict[str, Any] = answer.json()
        assert body["err"] == ""
        return body


def sign_in_answer(url: str, name: str) -> requests.Response:
    """Sign in as a browser does, from redirect to redirect; return the last answer."""
    with requests.Session() as browser:
        browser.trust_env = False
        answer = browser.get(f"{url}/login", allow_redirects=False, timeout=SECONDS)
        provider = answer.headers["Location"]
        answer = browser.post(
            provider, data={"login": name}, allow_redirects=False, timeout=SECONDS
        )
        back = urljoin(provider, answer.headers["Location"])
        return browser.get(back, allow_redirects=False, timeout=SECONDS)


def sign_in(url: str, name: str) -> dict[str, Any]:
    """Sign in; return the profile."""
    answer = sign_in_answer(url, name)
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
    profile: dict[str, Any] = answer.json()
    return profile


def person(url: str, name: str) -> Api:
    """Sign in, and return the person's API."""
    return Api(url, sign_in(url, name)["access_token"], name)


def added(author: Api, *urls: str) -> list[Event]:
    """Return the news of links that somebody has added."""
    return [("LINK_ADDED", author.name, url) for url in urls]


def assert_told(reader: Api, expected: list[Event]) -> None:
    """Check that somebody's news become these, in this order, each once."""
    with suppress(AssertionError):  # the one below says more
        until(lambda: reader.told(page_size=100) == expected)
    assert reader.told(page_size=100) == expected


# What no stranger may learn.
INTERNALS = ("Traceback", "psycopg", "sqlalchemy", "SELECT", "127.0.0.1", "localhost", "nameko")


def assert_refused(answer: requests.Response, status: int, code: str, field: str = "") -> None:
    """Check that an answer is the problem document for this refusal, and nothing more."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem.get("field", "") == field
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert problem["err"] == problem["detail"]
    assert not [internal for internal in INTERNALS if internal in answer.text]
