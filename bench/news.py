"""Waits for everybody's news, and reads them."""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from bench.api import Api, Event
from bench.loader import Tally
from bench.people import Follows
from embedded.errors import CannotStart

WAIT_SECONDS = 120.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class News:
    """Somebody's news: how many events by whom, and the latest, newest first."""

    by_author: Counter[str]
    latest: list[Event]


def wait(api: Api, tokens: dict[str, str], follows: Follows, tally: Tally) -> None:
    """Wait until the last links of everybody are in the news of all who follow them.

    Nobody's events overtake each other, so all that was added before has arrived then too.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    for name, followed in follows.items():
        expected = {(author, url) for author in followed for url in tally.latest[author]}
        while missing := _missing(api, tokens[name], expected):
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"after {WAIT_SECONDS:.0f} s, {name}'s news still lacks {len(missing)} links"
                )
            time.sleep(POLL_SECONDS)


def read(api: Api, token: str, latest: int) -> News:
    """Read all of somebody's news, and keep the latest events."""
    events = api.news(token)
    kept = list(islice(events, latest))
    authors = Counter(event["Username"] for event in kept)
    authors.update(event["Username"] for event in events)
    return News(authors, kept)


def _missing(
    api: Api, token: str, expected: Collection[tuple[str, str]]
) -> Collection[tuple[str, str]]:
    missing = set(expected)
    events = api.news(token)
    while missing and (event := next(events, None)):
        missing.discard((event["Username"], event["Url"]))
    return missing
