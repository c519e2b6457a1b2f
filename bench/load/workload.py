"""The requests of the benchmark, made from real links."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count, cycle, islice, repeat
from urllib.parse import quote, urlencode, urlsplit

from bench import bookmarks
from bench.api import LARGEST_PAGE, Answer, Api, as_parameters
from bench.load.generator import Address
from bench.report import aims
from bench.seed.collection import SELDOM
from embedded.errors import CannotStart

A_TENTH = 10
SELDOM_LINKS = 10
LISTING = "/v1.0/links"

Parameters = dict[str, object]


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
    before: Callable[[], object] = lambda: None


class Workload:
    """A writer with links, and a reader who follows the writer."""

    def __init__(self, url: str, writer: Person, reader: Person, stock: int = 0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise CannotStart(f"the benchmark speaks http://, and this is {url}")
        self.url = url
        self.address: Address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self.writer = writer
        self.reader = reader
        self._stock = stock
        self._links = self._endless_links()
        self._first: list[str] = []
        self._added: deque[str] = deque()

    def prepare(self, links: int) -> None:
        """Let the writer have so many links and the reader follow; raise CannotStart."""
        with closing(Api(self.url)) as api:
            _good(api.post("/v1.0/following", self.reader.token, followed=self.writer.name))
        self._first += self._add(links)

    def stock(self) -> None:
        """Let there be links to delete."""
        self._added += self._add(self._stock - len(self._added))

    def listings(self) -> Iterator[Operation]:
        """Yield what costs more or less by the size of the collection, and changes nothing."""
        asked: dict[str, Parameters] = {
            aims.LIST: {},
            aims.LIST_100: {"page_size": LARGEST_PAGE},
            aims.NEAR_END: {"start_token": self._near_the_end()},
            aims.BY_RARE_TAG: {"tag": SELDOM},
            aims.BY_TAG: {"tag": self._common_tag()},
            aims.BY_RARE_TEXT: {"q": SELDOM},
            aims.BY_TEXT: {"q": self._common_word()},
        }
        for name, parameters in asked.items():
            query = urlencode(parameters, quote_via=quote)
            yield self._operation(name, repeat(self._request("GET", f"{LISTING}?{query}")))

    def news(self) -> Operation:
        """Return the reading of the news."""
        return self._operation(
            aims.NEWS, repeat(self._request("GET", "/v1.0/news", person=self.reader))
        )

    def changes(self) -> Iterator[Operation]:
        """Yield what changes links; deletions take away what was added before."""
        yield self._operation(aims.ADD, self._adds())
        yield self._operation(aims.UPDATE, self._updates())
        yield replace(self._operation(aims.DELETE, self._deletions()), before=self.stock)

    def _add(self, links: int) -> list[str]:
        """Add so many links at once; return their URLs."""
        added = list(islice(self._links, max(0, links)))
        with closing(Api(self.url)) as api:
            for begin in range(0, len(added), LARGEST_PAGE):
                some = added[begin : begin + LARGEST_PAGE]
                changes = [{"action": "add", **each} for each in some]
                _good(api.post(f"{LISTING}/bulk", self.writer.token, changes=changes))
        return [str(each["url"]) for each in added]

    def _operation(self, name: str, requests: Iterator[bytes]) -> Operation:
        return Operation(name, self.address, requests)

    def _adds(self) -> Iterator[bytes]:
        for link in self._links:
            self._added.append(str(link["url"]))
            yield self._request("POST", LISTING, json.dumps(link))

    def _updates(self) -> Iterator[bytes]:
        for number, url in enumerate(cycle(self._first)):
            changed = {"url": url, "title": f"Title {number}"}
            yield self._request("PUT", LISTING, json.dumps(changed))

    def _deletions(self) -> Iterator[bytes]:
        while True:
            if not self._added:
                yield b""  # none for now: a generator that ends would end for ever
                continue
            gone = {"url": self._added.popleft()}
            yield self._request("DELETE", LISTING, json.dumps(gone))

    def _request(
        self, method: str, path: str, body: str = "", person: Person | None = None
    ) -> bytes:
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        token = (person or self.writer).token
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Access-Token: {token}\r\n{content if body else ''}\r\n{body}"
        ).encode()

    def _endless_links(self) -> Iterator[Parameters]:
        """Yield real links, again and again with another ending; the first few are special."""
        sample = list(bookmarks.read(bookmarks.SAMPLE))
        for number in count():
            bookmark = sample[number % len(sample)]
            link = as_parameters(bookmark) | {"url": f"{bookmark.url}#{number}"}
            if number < SELDOM_LINKS:
                link |= {"title": f"{bookmark.title} {SELDOM}", "tags": [*bookmark.tags, SELDOM]}
            yield link

    def _common_tag(self) -> str:
        """Return a tag of about every tenth link."""
        return _of_a_tenth([each.tags for each in bookmarks.read(bookmarks.SAMPLE)])

    def _common_word(self) -> str:
        """Return a word in the title of about every tenth link."""
        titles = [each.title.split() for each in bookmarks.read(bookmarks.SAMPLE)]
        return _of_a_tenth([{word for word in title if word.isalpha()} for title in titles])

    def _near_the_end(self) -> str:
        """Walk through the collection, and return where the last hundred begin."""
        token, before = "", ""
        with closing(Api(self.url)) as api:
            while True:
                page = api.get(
                    LISTING, self.writer.token, start_token=token, page_size=LARGEST_PAGE
                )
                following = _good(page).body["next_token"]
                if not following:
                    return token if len(page.body["links"]) > A_TENTH else before
                token, before = following, token


def _of_a_tenth(texts: list[set[str]] | list[tuple[str, ...]]) -> str:
    counts = Counter(each for some in texts for each in some)
    return min(counts, key=lambda each: abs(counts[each] - len(texts) // A_TENTH))


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise CannotStart(f"preparing links failed: {answer.body}")
    return answer
