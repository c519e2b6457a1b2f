"""The feeds as everybody else sees them: what the store has lost is made anew from the stream."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from eventlet import GreenPool

from chassis.errors import Unavailable
from news_svc import metrics
from news_svc.delivery import Delivery, insist
from news_svc.domain import NewsQuery, Page
from news_svc.erasure import Erasure
from news_svc.history import History
from news_svc.once import Once
from news_svc.people import SocialGraph, pages
from news_svc.store import FeedStore, Lost

_COPIES = 500
# Fewer than a page may have, because every author may have a whole feed's length of events.
_AUTHORS_A_PAGE = 100
# A reader waits for so long; RPC_TIMEOUT_SECONDS is what the reader's caller waits.
_PATIENCE_SECONDS = 1.5
_RESTORE_SECONDS = 30.0


class Feeds(Delivery):
    """Everyone's feed, ``length`` events each. Everything here may raise Unavailable."""

    def __init__(
        self,
        store: FeedStore,
        history: History,
        social_graph: SocialGraph,
        length: int,
        copies: int = _COPIES,
        erasure: Erasure | None = None,
    ) -> None:
        self.store = store
        self.history = history
        self.social_graph = social_graph
        self.length = length
        self.copies = copies
        self.erasure = erasure
        self._making = Once()
        self._restoring = Once()

    def read(self, query: NewsQuery) -> Page:
        """Read a page; a feed that is lost is made first."""

        def attempt() -> Page:
            try:
                return self.store.read(query, self.length)
            except Lost:
                self.make(query.username)
                raise

        metrics.feed_reads.inc()
        return insist(attempt)

    def make(self, username: str) -> None:
        """Make a feed if it is lost, in the background if that takes long."""
        self._making.do(username, partial(self._make, username), _PATIENCE_SECONDS)

    def renew(self, username: str) -> None:
        """Make a feed anew, from whom its owner follows now: at once, or when it is next read."""
        self.store.drop(username)
        with suppress(Unavailable):
            self.make(username)

    def erase(self, username: str, left: Sequence[str]) -> None:
        """Keep nothing of a person who has left: the last of all who kept something of them.

        ``left`` are the services that still do. Raise Unavailable where it is to be done again.
        """
        if len(left) > 1 or self.erasure is None:
            raise Unavailable("others_first", "Others still keep something.")
        self.erasure.erase(username)

    def forget(self) -> None:
        """Throw everything away; each feed is made when it is next read."""
        self.store.forget()

    def _make(self, username: str) -> None:
        insist(lambda: self._attempt(username), self._open)

    def _attempt(self, username: str) -> None:
        begun = self.store.begin(username)
        if begun:
            for authors in pages(self.social_graph.get_following, username, _AUTHORS_A_PAGE):
                self._gather(username, begun, authors)
            self.store.complete(username, begun)
            metrics.feeds_rebuilt.inc()

    def _gather(self, username: str, begun: int, authors: Sequence[str]) -> None:
        lost = self.store.gather(username, begun, authors, self.length)
        if lost:
            self._restore_all(lost)
            if self.store.gather(username, begun, lost, self.length):
                raise Lost(username)

    def _restore_all(self, authors: Sequence[str]) -> None:
        moment = self.store.moment()

        def restore(author: str) -> None:
            work = partial(self._restore, author, moment)
            self._restoring.do(author, work, _RESTORE_SECONDS)

        for _ in GreenPool().imap(restore, authors):
            pass
