"""An author, and a reader of theirs, who is told everything once and in order."""

import time

from tests.e2e.api import person
from tests.faults.authors import feed
from tests.faults.checker import Log, links
from tests.processes import until

HEAL_SECONDS = 60.0


class Pair:
    """Ann, who adds links, and bob, who reads of them."""

    def __init__(self, url: str) -> None:
        suffix = str(time.monotonic_ns())
        self.ann, self.bob = person(url, f"ann{suffix}"), person(url, f"bob{suffix}")
        self.bob.follow(self.ann.name)
        self.log = Log()
        self.number = 0
        self.longest = 0.0

    def add(self) -> bool:
        """Add a link; tell whether it was answered with success."""
        self.number += 1
        began = time.monotonic()
        done = self.log.add(self.ann, f"https://example.org/{self.ann.name}/{self.number}")
        self.longest = max(self.longest, time.monotonic() - began)
        return done

    def check(self) -> None:
        """Check that each link that there is was told once, and in order."""
        kept = links(self.ann)
        assert self.log.judge(kept).clean, self.log.judge(kept)
        until(lambda: len(feed(self.bob)) >= len(kept), HEAL_SECONDS)
        assert feed(self.bob) == kept
        assert self.log.odd == []
