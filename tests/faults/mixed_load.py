"""People who add, update and delete links, follow and leave, list and read, at a modest rate.

Every change has a text of its own, so that it can be told from all others in links and news.
"""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.e2e.api import Api
from tests.faults.checker import CLEAR, PROBLEM

ADDED, UPDATED, DELETED = "LINK_ADDED", "LINK_UPDATED", "LINK_DELETED"
_METHODS = {ADDED: "POST", UPDATED: "PUT", DELETED: "DELETE"}
_PAGE = 100


@dataclass
class Answers:
    """What callers were told; many threads may write."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of those that were no success
    odd: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, api: Api, method: str, path: str, **arguments: Any) -> Any:
        """Return the body of a success, else None; note every answer."""
        began = time.monotonic()
        try:
            answer = api.call(method, path, **arguments)
        except requests.ConnectionError:
            return self._note("no connection", began)
        except requests.Timeout:
            return self._note("no answer", began, f"{method} {path}: no answer")
        if answer.ok:
            with self._lock:
                self.counts["ok"] += 1
            return answer.json()
        clear = answer.status_code in CLEAR and answer.headers["Content-Type"] == PROBLEM
        odd = "" if clear else f"{method} {path} {answer.status_code}: {answer.text}"
        return self._note(str(answer.status_code), began, odd)

    def _note(self, answer: str, began: float, odd: str = "") -> None:
        with self._lock:
            self.counts[answer] += 1
            self.seconds.append(time.monotonic() - began)
            if odd:
                self.odd.append(odd)


@dataclass
class Author:
    """Somebody who changes their links; what of them is certain, and what is not."""

    api: Api
    answers: Answers
    chance: random.Random
    links: dict[str, str] = field(default_factory=dict)  # certain to be there, with their titles
    gone: set[str] = field(default_factory=set)  # certain not to be there
    doubtful: set[str] = field(default_factory=set)  # may be there
    attempted: set[str] = field(default_factory=set)  # events
    told: set[str] = field(default_factory=set)  # events that were answered with success
    _number: int = 0

    def act(self) -> None:
        """Change something, or look at it."""
        what = self.chance.choice([ADDED] * 4 + [UPDATED] * 2 + [DELETED] * 2 + [""] * 4)
        if not what:
            self.answers.ask(self.api, "GET", "/v1.0/links", params={"page_size": 20})
        elif what == ADDED or not self.links:
            self._number += 1
            self._change(ADDED, f"https://example.org/{self.api.name}/{self._number}")
        else:
            self._change(what, self.chance.choice(list(self.links)))

    def _change(self, what: str, url: str) -> None:
        self._number += 1
        title = "" if what == DELETED else f"title {self._number}"
        event = change(what, url, title)
        self.attempted.add(event)
        fields = {"url": url} | ({"title": title} if title else {})
        body = self.answers.ask(self.api, _METHODS[what], "/v1.0/links", json=fields)
        self.links.pop(url, None)
        if body is None:
            self.doubtful.add(url)
            return
        self.told.add(event)
        if what == DELETED:
            self.gone.add(url)
        else:
            self.links[url] = title


@dataclass
class Reader:
    """Somebody who reads their news to the end, and later goes on from there."""

    api: Api
    answers: Answers
    seen: list[str] = field(default_factory=list)
    page: list[str] = field(default_factory=list)  # the last one, which may have grown since
    wrong: list[str] = field(default_factory=list)
    _token: str = ""

    def act(self) -> None:
        """Read on."""
        while True:
            query = {"start_token": self._token, "page_size": _PAGE}
            body = self.answers.ask(self.api, "GET", "/v1.0/news", params=query)
            if body is None:
                return
            page = [_event(each) for each in body["events"]]
            if page[: len(self.page)] != self.page:
                self.wrong.append(f"after {self._token}: {self.page} has become {page}")
            self.seen += page[len(self.page) :]
            self.page = page
            if not body["next_token"]:
                return
            self._token, self.page = body["next_token"], []


@dataclass
class Wanderer:
    """Somebody who follows and leaves authors, and reads what there is."""

    api: Api
    answers: Answers
    chance: random.Random
    authors: list[str]

    def act(self) -> None:
        """Follow or leave somebody, or read."""
        path = "/v1.0/following"
        what = self.chance.randrange(4)
        if what == 0:
            self.answers.ask(self.api, "GET", "/v1.0/news", params={"order": "newest"})
        elif what == 1:
            self.answers.ask(self.api, "GET", "/v1.0/followers")
        elif (body := self.answers.ask(self.api, "GET", path)) is not None:
            author = self.chance.choice(self.authors)
            method = "DELETE" if author in body["following"] else "POST"
            self.answers.ask(self.api, method, path, json={"followed": author})


def change(what: str, url: str, title: str) -> str:
    """Name an event, so that there is only one of that name."""
    return f"{what} {url} {'' if what == DELETED else title}"


def _event(told: dict[str, Any]) -> str:
    return change(told["EventType"], told["Url"], told["Title"])
