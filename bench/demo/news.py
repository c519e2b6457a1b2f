"""Waits for everybody's news, and reads them."""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from bench.api import LARGEST_PAGE, Api, Event
from bench.demo.loader import Tally
from bench.demo.people import Follows
from embedded.errors import CannotStart

STANDSTILL_SECONDS = 60.0
POLL_SECONDS = 0.1

Link = tuple[str, str]  # who added it, and the URL


@dataclass(frozen=True)
class News:
    """Somebody's news: how many events by whom, and the latest, newest first."""

    by_author: Counter[str]
    latest: list[Event]


def wait(api: Api, tokens: dict[str, str], follows: Follows, tally: Tally) -> None:
    """Wait until the last links of everybody are in the news of all who follow them.

    Nobody's events overtake each other, so all that was added before has arrived then too.
    Raise CannotStart when nothing arrives any more.
    """
    for name, followed in follows.items():
        expected = {(author, url) for author in followed for url in tally.latest[author]}
        newest: Event | None = None
        moved = time.monotonic()
        while missing := _missing(api, tokens[name], expected):
            now = time.monotonic()
            before, newest = newest, next(api.news(tokens[name]), None)
            if newest != before:
                moved = now
            elif now - moved > STANDSTILL_SECONDS:
                raise CannotStart(
                    f"{name}'s news lacks {len(missing)} links or more, and nothing has arrived "
                    f"for {STANDSTILL_SECONDS:.0f} s"
                )
            time.sleep(POLL_SECONDS)


def read(api: Api, token: str, latest: int) -> News:
    """Read all of somebody's news, and keep the latest events."""
    events = api.news(token)
    kept = list(islice(events, latest))
    authors = Counter(event["Username"] for event in kept)
    authors.update(event["Username"] for event in events)
    return News(authors, kept)


def _missing(api: Api, token: str, expected: Collection[Link]) -> Collection[Link]:
    missing = set(expected)
    for place, event in enumerate(api.news(token)):
        # None of them is among the newest: they are still on their way. Don't read it all.
        if not missing or (place == LARGEST_PAGE and len(missing) == len(expected)):
            break
        missing.discard((event["Username"], event["Url"]))
    return missing
