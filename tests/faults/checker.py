"""What was attempted and acknowledged, against what is there in the end.

lost: acknowledged and not there. unexpected: there, and never attempted. duplicated: there twice.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import requests

from tests.e2e.api import Api

PROBLEM = "application/problem+json"
CLEAR = (503, 504)


@dataclass(frozen=True)
class Verdict:
    """All is well where all three are empty."""

    lost: frozenset[str]
    unexpected: frozenset[str]
    duplicated: frozenset[str]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.unexpected or self.duplicated)


@dataclass
class Log:
    """What some clients tried, and what they were told; many threads may write."""

    attempted: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of those that were no success
    odd: list[str] = field(default_factory=list)  # answers that are no clear error
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, found: Iterable[str]) -> Verdict:
        """Compare with what is there."""
        counts = Counter(found)
        return Verdict(
            lost=frozenset(self.acknowledged - counts.keys()),
            unexpected=frozenset(counts.keys() - self.attempted),
            duplicated=frozenset(one for one, count in counts.items() if count > 1),
        )

    def add(self, api: Api, url: str) -> bool:
        """Add a link, and write down what came of it."""
        with self._lock:
            self.attempted.add(url)
        began = time.monotonic()
        try:
            answer = api.call("POST", "/v1.0/links", json={"url": url})
        except requests.ConnectionError:
            self._note("no connection", time.monotonic() - began)
            return False
        except requests.Timeout:
            self._note("no answer", time.monotonic() - began, "no answer")
            return False
        if answer.ok:
            with self._lock:
                self.acknowledged.add(url)
                self.answers["ok"] += 1
            return True
        clear = answer.status_code in CLEAR and answer.headers["Content-Type"] == PROBLEM
        odd = "" if clear else f"{answer.status_code}: {answer.text}"
        self._note(str(answer.status_code), time.monotonic() - began, odd)
        return False

    def _note(self, answer: str, seconds: float, odd: str = "") -> None:
        with self._lock:
            self.answers[answer] += 1
            self.seconds.append(seconds)
            if odd:
                self.odd.append(odd)


def links(api: Api) -> list[str]:
    """Return all of somebody's links, from page to page."""
    urls: list[str] = []
    token = ""
    while True:
        page = api.links(start_token=token, page_size=100)
        urls += [link["Url"] for link in page["links"]]
        token = page["next_token"]
        if not token:
            return urls
