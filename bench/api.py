"""The public API over one connection that stays open."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.bookmarks import Bookmark
from embedded.errors import CannotStart

SECONDS = 30
TRIES = 5
LONGEST_PAUSE_SECONDS = 5.0
TRY_AGAIN = {429, 503, 504}  # what the API answers when a part of it is busy or away
LARGEST_PAGE = 100

Event = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What the API has answered."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The stable code of a refusal."""
        return str(self.body.get("code", self.status))


class Api:
    """One caller at a time, on a connection that is opened when first used.

    Every call raises CannotStart when nobody answers.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = connect(parts.netloc, timeout=SECONDS)
        self._path = parts.path.rstrip("/")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def post(self, path: str, token: str, **parameters: Any) -> Answer:
        """Send parameters as JSON; an answer that says to try again later is obeyed."""
        return self.call("POST", path, token, **parameters)

    def post_once(self, path: str, token: str, key: str, **parameters: Any) -> Answer:
        """Send parameters as JSON, with a key by which they are taken once."""
        headers = {"Idempotency-Key": key}
        return self._patiently("POST", path, token, json.dumps(parameters), headers)

    def call(self, method: str, path: str, token: str, **parameters: Any) -> Answer:
        """Send parameters as JSON by any method that takes a body, as patiently."""
        return self._patiently(method, path, token, json.dumps(parameters))

    def get(self, path: str, token: str, **parameters: Any) -> Answer:
        """Send parameters in the query; an answer that says to try again later is obeyed."""
        return self._patiently("GET", f"{path}?{urlencode(parameters)}", token)

    def news(self, token: str) -> Iterator[Event]:
        """Read somebody's news page by page, newest first."""
        start_token, more = "", True
        while more:
            answer = self.get(
                "/v1.0/news",
                token,
                start_token=start_token,
                page_size=LARGEST_PAGE,
                order="newest",
            )
            if answer.status != 200:
                raise CannotStart(f"reading the news failed: {answer.body.get('detail', answer)}")
            yield from answer.body["events"]
            start_token = answer.body["next_token"]
            more = bool(start_token)

    def _patiently(
        self,
        method: str,
        path: str,
        token: str,
        body: str | None = None,
        more: dict[str, str] | None = None,
    ) -> Answer:
        headers = {"Access-Token": token, "Accept": "application/json", **(more or {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        for _ in range(TRIES - 1):
            answer, pause = self._send(method, self._path + path, body, headers)
            if answer.status not in TRY_AGAIN:
                return answer
            time.sleep(pause)
        return self._send(method, self._path + path, body, headers)[0]

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[Answer, float]:
        """Send a request, once more if the connection was closed since the last one."""
        tries = 2 if self._connection.sock is not None else 1
        for _ in range(tries):
            try:
                return self._exchange(method, path, body, headers)
            except (OSError, http.client.HTTPException):
                self.close()
        raise CannotStart(f"nothing answers at {self._url}: start the system with 'make run'")

    def _exchange(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[Answer, float]:
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = Answer(response.status, _document(response.read()))
        return answer, _pause(response.getheader("Retry-After"))


def as_parameters(bookmark: Bookmark) -> dict[str, object]:
    """Return the API's parameters; a title that is missing is left to the API."""
    parameters: dict[str, object] = {"url": bookmark.url, "tags": list(bookmark.tags)}
    if bookmark.private:
        parameters["visibility"] = "private"
    if bookmark.title:
        parameters["title"] = bookmark.title
    if bookmark.description:
        parameters["description"] = bookmark.description
    return parameters


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _pause(retry_after: str | None) -> float:
    try:
        return min(max(0.1, float(retry_after or 1)), LONGEST_PAUSE_SECONDS)
    except ValueError:
        return 1.0
