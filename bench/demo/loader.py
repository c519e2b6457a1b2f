"""Loads bookmarks through the public API, several at a time."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.api import Answer, Api, as_parameters
from bench.bookmarks import Bookmark
from embedded.errors import CannotStart


@dataclass
class Refusals:
    """How often links were refused for the same reason, and the first of them."""

    example: str
    reason: str
    count: int = 0


@dataclass
class Tally:
    """What has become of the bookmarks."""

    latest: dict[str, deque[str]]  # the links of each person that are in others' news last
    added: int = 0
    already_there: int = 0
    private: int = 0
    refused: dict[str, Refusals] = field(default_factory=dict)

    def count(self, name: str, bookmark: Bookmark, answer: Answer) -> None:
        """Count a bookmark by its answer."""
        self.private += bookmark.private
        if answer.status == 200:
            self.added += 1
            if not bookmark.private:
                self.latest[name].append(bookmark.url)
        elif answer.code == "link_exists":
            self.already_there += 1
        elif answer.status == 401:
            raise CannotStart(f"{name}'s token is good no more: somebody has signed out")
        else:
            reason = str(answer.body.get("detail", f"status {answer.status}"))
            refusals = Refusals(bookmark.url, reason)
            self.refused.setdefault(answer.code, refusals).count += 1


class Loader:
    """Gives the bookmarks of a file to people in turn."""

    def __init__(
        self,
        url: str,
        tokens: dict[str, str],
        connections: int,
        progress: Callable[[], None],
    ) -> None:
        self._url = url
        self._tokens = tokens
        self._connections = connections
        self._progress = progress
        self._lock = threading.Lock()
        self._work: Iterator[tuple[str, Bookmark]] = iter(())
        # Links of one person that are under way together may be saved in any order, so the very
        # last one is among as many as there are connections.
        self.tally = Tally({name: deque(maxlen=connections) for name in tokens})

    def load(self, bookmarks: Iterable[Bookmark]) -> Tally:
        """Load them all; raise CannotStart when the system goes away."""
        names = list(self._tokens)
        self._work = (
            (names[place % len(names)], bookmark) for place, bookmark in enumerate(bookmarks)
        )
        with ThreadPoolExecutor(self._connections) as pool:
            workers = [pool.submit(self._load_some) for _ in range(self._connections)]
            try:
                for worker in workers:
                    worker.result()
            finally:
                self._stop()
        return self.tally

    def _load_some(self) -> None:
        api = Api(self._url)
        try:
            while work := self._next():
                name, bookmark = work
                answer = api.post("/v1.0/links", self._tokens[name], **as_parameters(bookmark))
                with self._lock:
                    self.tally.count(name, bookmark, answer)
                    self._progress()
        except BaseException:
            self._stop()
            raise
        finally:
            api.close()

    def _next(self) -> tuple[str, Bookmark] | None:
        with self._lock:
            return next(self._work, None)

    def _stop(self) -> None:
        """Leave no work to anybody, also when a person at the terminal has had enough."""
        with self._lock:
            self._work = iter(())
