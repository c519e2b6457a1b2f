"""The operations that are counted, each as one request of somebody who has links and news."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from bench.api import Answer, Api
from bench.count.meter import Counts, Meter
from embedded.errors import CannotStart

LINKS, BATCH, MANY = 120, 60, 20
TRIES = 5
LISTING = "/v1.0/links"

Link = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """A request; ``before`` makes what it needs and is not counted."""

    name: str
    request: Callable[[], Answer]
    before: Callable[[], object] = lambda: None
    writes: bool = False


class Scene:
    """A writer with links, and a reader who follows the writer."""

    def __init__(self, api: Api, writer: str, writer_token: str, reader_token: str) -> None:
        self._api = api
        self._writer = writer
        self._token = writer_token
        self._reader_token = reader_token
        self._numbers = count()
        self._newest = ""

    def prepare(self) -> None:
        """Let there be links, and news of them."""
        _good(self._follow("POST"))
        for _ in range(LINKS // BATCH):
            _good(self._change([_link(next(self._numbers)) for _ in range(BATCH)]))

    def warm(self) -> None:
        """Let the gateway know both tokens; that asks neither links nor the social graph."""
        for token in (self._token, self._reader_token):
            _good(self._api.get("/v1.0/news", token, page_size=1))

    def operations(self) -> Iterator[Operation]:
        """Yield what is counted, in the order of the table."""
        yield Operation("list, 10 a page", lambda: self._list())
        yield Operation("list, 100 a page", lambda: self._list(page_size=100))
        last = self._list(page_size=100).body["next_token"]
        yield Operation("a page near the end", lambda: self._list(start_token=last))
        yield Operation("list by tag", lambda: self._list(tag="every"))
        yield Operation("list by two tags", lambda: self._list(tag="every,tenth"))
        yield Operation("list by regular expression", lambda: self._list(title_regex="Link"))
        if self._searches():
            yield Operation("list by text", lambda: self._list(q="link"))
        yield Operation("one link", lambda: self._get("link", url=_link(0)["url"]))
        yield Operation("somebody's links", lambda: self._get(f"users/{self._writer}/links"))
        yield Operation("add", self._add, writes=True)
        yield Operation("add, with an idempotency key", self._add_once, writes=True)
        yield Operation("update", self._update, writes=True)
        yield Operation("delete", self._delete, before=self._add, writes=True)
        yield Operation("20 adds in one request", self._add_many, writes=True)
        yield Operation("news, 10 events", self._news)
        yield Operation("followers", lambda: self._get("followers"))
        follow, unfollow = (lambda: self._follow("POST")), (lambda: self._follow("DELETE"))
        yield Operation("follow", follow, before=unfollow, writes=True)
        yield Operation("unfollow", unfollow, before=follow, writes=True)

    def with_a_new_token(self) -> Operation:
        """Return a request with a token that the gateway has not seen."""
        tokens: list[str] = []

        def make() -> None:
            answer = self._api.post("/v1.0/tokens", self._token, name="count", scopes=["read"])
            tokens.append(_good(answer).body["access_token"])

        return Operation(
            "list, 10 a page, with a token not seen lately",
            lambda: self._api.get(LISTING, tokens[-1]),
            before=make,
        )

    def _list(self, **parameters: Any) -> Answer:
        return self._api.get(LISTING, self._token, **parameters)

    def _get(self, path: str, **parameters: Any) -> Answer:
        return self._api.get(f"/v1.0/{path}", self._token, **parameters)

    def _add(self) -> Answer:
        link = _link(next(self._numbers))
        self._newest = link["url"]
        return self._api.post(LISTING, self._token, **link)

    def _add_once(self) -> Answer:
        number = next(self._numbers)
        return self._api.post_once(LISTING, self._token, f"count {number}", **_link(number))

    def _update(self) -> Answer:
        title = f"Link changed {next(self._numbers)}"
        return self._api.call("PUT", LISTING, self._token, url=_link(1)["url"], title=title)

    def _delete(self) -> Answer:
        return self._api.call("DELETE", LISTING, self._token, url=self._newest)

    def _change(self, links: list[Link]) -> Answer:
        changes = [{"action": "add", **link} for link in links]
        return self._api.post(f"{LISTING}/bulk", self._token, changes=changes)

    def _add_many(self) -> Answer:
        return self._change([_link(next(self._numbers)) for _ in range(MANY)])

    def _news(self) -> Answer:
        return self._api.get("/v1.0/news", self._reader_token)

    def _follow(self, method: str) -> Answer:
        path = "/v1.0/following"
        return self._api.call(method, path, self._reader_token, followed=self._writer)

    def _searches(self) -> bool:
        described = self._api.get("/openapi.json", self._token).body
        return any(
            each.get("name") == "q" for each in described["paths"][LISTING]["get"]["parameters"]
        )


def count_all(scene: Scene, meter: Meter) -> dict[str, Counts]:
    """Count every operation, again and again; raise CannotStart if one fails."""
    operations = [*scene.operations(), scene.with_a_new_token()]
    return {
        each.name: Counts.least([_count(each, scene, meter) for _ in range(TRIES)])
        for each in operations
    }


def _count(operation: Operation, scene: Scene, meter: Meter) -> Counts:
    operation.before()
    if operation.writes:
        meter.settle()
    scene.warm()
    return meter.count(lambda: _good(operation.request()))


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise CannotStart(f"a request to be counted failed: {answer}")
    return answer


def _link(number: int) -> Link:
    tags = ["every", "tenth"] if number % 10 == 0 else ["every"]
    return {"url": f"https://example.org/{number}", "title": f"Link {number}", "tags": tags}
