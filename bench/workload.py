"""The requests of the benchmark, made from real links."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice, repeat
from pathlib import Path
from urllib.parse import quote, urlsplit

from bench import bookmarks
from bench.aims import ADD, BY_TAG, LIST, NEWS
from bench.api import Api
from bench.generator import Address, drive
from bench.loader import as_parameters
from embedded.errors import CannotStart

SAMPLE = Path(__file__).with_name("data") / "bookmarks.html"
CONNECTIONS = 8
A_TENTH = 10


@dataclass(frozen=True)
class Person:
    """Somebody with a token."""

    name: str
    token: str


@dataclass(frozen=True)
class Operation:
    """What is measured: requests without end, and where they go."""

    name: str
    address: Address
    requests: Iterator[bytes]


class Workload:
    """A writer with many links, and a reader who follows the writer."""

    def __init__(self, url: str, writer: Person, reader: Person) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise CannotStart(f"the benchmark speaks http://, and this is {url}")
        self.url = url
        self.address: Address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self.writer = writer
        self.reader = reader
        self._sample = list(bookmarks.read(SAMPLE))
        self._number = count()

    def prepare(self, links: int) -> None:
        """Let the writer have so many links and the reader follow; raise CannotStart."""
        with closing(Api(self.url)) as api:
            answer = api.post("/v1.0/following", self.reader.token, followed=self.writer.name)
        if answer.status != 200:
            raise CannotStart(f"following failed: {answer.body}")
        sample = drive(self.address, islice(self.adds(), links), CONNECTIONS)
        if sample.errors:
            raise CannotStart(f"loading links failed: {dict(sample.errors)}")

    def operations(self) -> list[Operation]:
        """Return what to measure; what writes comes last."""
        listing, tag = "/v1.0/links", quote(self._middling_tag())
        requests = {
            LIST: repeat(self._get(listing, self.writer)),
            BY_TAG: repeat(self._get(f"{listing}?tag={tag}", self.writer)),
            NEWS: repeat(self._get("/v1.0/news", self.reader)),
            ADD: self.adds(),
        }
        return [Operation(name, self.address, made) for name, made in requests.items()]

    def adds(self) -> Iterator[bytes]:
        """Make requests that add links: real ones, again and again with another ending."""
        for number in self._number:
            bookmark = self._sample[number % len(self._sample)]
            parameters = as_parameters(bookmark) | {"url": f"{bookmark.url}#{number}"}
            yield self._request("POST", "/v1.0/links", self.writer, json.dumps(parameters))

    def _get(self, path: str, person: Person) -> bytes:
        return self._request("GET", path, person)

    def _request(self, method: str, path: str, person: Person, body: str = "") -> bytes:
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Access-Token: {person.token}\r\n{content if body else ''}\r\n{body}"
        ).encode()

    def _middling_tag(self) -> str:
        """Return a tag of about every tenth link."""
        tags = Counter(tag for bookmark in self._sample for tag in bookmark.tags)
        return min(tags, key=lambda tag: abs(tags[tag] - len(self._sample) // A_TENTH))
