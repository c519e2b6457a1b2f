"""Who follows whom, as feeds ask for it: page by page."""

from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import partial
from typing import Protocol, TypeVar

import eventlet

from news_svc.schemas import UsernamesDoc

_FOLLOWERS_A_PAGE = 1000

T = TypeVar("T")


class SocialGraph(Protocol):
    """As much of social_graph_svc as feeds need."""

    def get_followers(self, username: str, *, start_token: str, page_size: int) -> UsernamesDoc:
        """Return a page of the people who follow somebody."""

    def get_following(self, username: str, *, start_token: str, page_size: int) -> UsernamesDoc:
        """Return a page of the people whom somebody follows."""


def pages(get: Callable[..., UsernamesDoc], username: str, page_size: int) -> Iterator[list[str]]:
    """Walk through all pages of ``get_followers`` or ``get_following``.

    The next page is on its way while one is used: of a million followers, each takes as long.
    """
    ask = partial(get, username, page_size=page_size)
    page = ask(start_token="")
    while page["next_token"]:
        # As whoever asks now: spans and lines of log tell of the same request.
        following = eventlet.spawn(copy_context().run, ask, start_token=page["next_token"])
        try:
            if page["usernames"]:
                yield page["usernames"]
            page = following.wait()
        finally:
            following.kill()
    if page["usernames"]:
        yield page["usernames"]


def flagged(each: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Yield each, and whether it is the last."""
    for one in each:
        for following in each:
            yield one, False
            one = following
        yield one, True


def followers(social_graph: SocialGraph, author: str) -> Iterator[list[str]]:
    """Walk through the followers of an author, a thousand at a time."""
    return pages(social_graph.get_followers, author, _FOLLOWERS_A_PAGE)
