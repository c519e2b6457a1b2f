"""Random histories of links, follows and blocks: everybody sees what a model says that they may.

The gateway's routes, the services and their stores, on PostgreSQL and Valkey; only the bus and the
streams between them are left out.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

import eventlet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from nameko.testing.services import worker_factory
from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder

import link_svc.models
import social_graph_svc.models
from chassis import http
from chassis.errors import NotFound, ServiceError, Unavailable
from chassis.events import Event as CloudEvent
from chassis.redis import connect
from contracts import limits
from gateway import sizes
from gateway.service import GatewayService
from link_svc.service import LinkService
from news_svc import schemas
from news_svc.domain import NewsQuery, Order, Published
from news_svc.feeds import Feeds
from news_svc.service import NewsService
from news_svc.store import FeedStore
from social_graph_svc.service import SocialGraphService
from social_graph_svc.store import FollowStore
from tests.fakes.news_svc import FakeHistory
from tests.integration import service_database, told

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("Ann", "bob", "cat-3")
URLS = ("https://example.org/1", "https://example.org/2")
VISIBILITIES = ("private", "followers", "public")
LENGTH = 1000  # nothing drops out: what a cut feed is, test_news_svc_histories.py tries

Action = tuple[str, ...]
person = st.sampled_from(PEOPLE)
url = st.sampled_from(URLS)
action = st.one_of(
    st.tuples(st.sampled_from(["add", "change"]), person, url, st.sampled_from(VISIBILITIES)),
    st.tuples(st.just("delete"), person, url),
    st.tuples(
        st.sampled_from(["follow", "follow", "unfollow", "block", "unblock"]), person, person
    ),
    st.tuples(st.just("forget")),
)


@dataclass
class Model:
    """Who may see what, as simply as it can be said."""

    links: dict[tuple[str, str], str] = field(default_factory=dict)
    follows: set[tuple[str, str]] = field(default_factory=set)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    events: list[tuple[str, str, str]] = field(default_factory=list)  # type, who, URL

    def do(self, kind: str, *args: str) -> None:
        getattr(self, kind)(*args)

    def add(self, who: str, url: str, visibility: str) -> None:
        if (who, url) not in self.links:
            self._becomes("LINK_ADDED", who, url, visibility)

    def change(self, who: str, url: str, visibility: str) -> None:
        if self.links.get((who, url), visibility) != visibility:
            self._becomes("LINK_UPDATED", who, url, visibility)

    def delete(self, who: str, url: str) -> None:
        if self.links.pop((who, url), "private") != "private":
            self.events.append(("LINK_DELETED", who, url))

    def _becomes(self, kind: str, who: str, url: str, visibility: str) -> None:
        before = self.links.get((who, url), "private")
        self.links[who, url] = visibility
        if visibility != "private":
            self.events.append((kind, who, url))
        elif before != "private":
            self.events = [event for event in self.events if event[1:] != (who, url)]

    def follow(self, who: str, whom: str) -> None:
        if who != whom and not {(who, whom), (whom, who)} & self.blocks:
            self.follows.add((who, whom))

    def unfollow(self, who: str, whom: str) -> None:
        self.follows.discard((who, whom))

    def block(self, who: str, whom: str) -> None:
        if who != whom:
            self.blocks.add((who, whom))
            self.follows -= {(who, whom), (whom, who)}

    def unblock(self, who: str, whom: str) -> None:
        self.blocks.discard((who, whom))

    def forget(self) -> None:
        """Feeds are made anew, and are what they were."""

    def finds(self, viewer: str, who: str) -> bool:
        return (who, viewer) not in self.blocks

    def sees(self, viewer: str, who: str) -> list[tuple[str, str]]:
        """Return the URLs and visibilities of the links that are shown, in the order of adding."""
        shown = {"public"} | ({"followers"} if (viewer, who) in self.follows else set())
        shown = set(VISIBILITIES) if viewer == who else shown
        mine = [
            (url, visibility) for (owner, url), visibility in self.links.items() if owner == who
        ]
        return [each for each in mine if each[1] in shown]

    def news(self, viewer: str) -> list[tuple[str, str, str]]:
        return [event for event in self.events if (viewer, event[1]) in self.follows]


class Log(FakeHistory):
    """The stream of link events."""

    def append(self, event_type: str, subject: str, data: dict[str, Any]) -> tuple[CloudEvent, int]:
        sequence = len(self.log) + 1
        event = CloudEvent(f"e{sequence}", "/test", event_type, subject, NOW, data)
        self.log.append(schemas.published(event, sequence))
        return event, sequence

    log: list[Published]


class System:
    """The services, with an event handled as soon as its change is committed."""

    def __init__(self, links: Engine, follows: Engine, valkey: Redis) -> None:
        self.told: list[tuple[Callable[..., Any], tuple[str, str, dict[str, Any]]]] = []
        self.graph = worker_factory(
            SocialGraphService,
            follows=FollowStore(
                Session(follows, expire_on_commit=False),
                lambda *event: self.told.append((self.on_follow_event, event)),
            ),
        )
        self.links = worker_factory(
            LinkService,
            links=told.link_store(
                links, lambda *event: self.told.append((self.on_link_event, event))
            ),
            quota=99,
            longest_url=limits.URL_LENGTH,
        )
        self.log = Log()
        self.feeds = Feeds(FeedStore(valkey), self.log, self.graph, LENGTH)
        self.news = worker_factory(NewsService, feeds=self.feeds, social_graph=self.graph)
        self.gateway = worker_factory(
            GatewayService,
            users=self,
            links=self.links,
            social_graph=self.graph,
            sizes=sizes.LARGEST,
            anonymous_readers=True,
        )

    def on_link_event(self, *event: Any) -> None:
        self.news.on_link_events([self.log.append(*event)])

    def on_follow_event(self, event_type: str, subject: str, data: dict[str, Any]) -> None:
        self.news.on_follow_event(CloudEvent("f", "/test", event_type, subject, NOW, data), 1)

    def verify_token(self, token: str) -> dict[str, str]:
        return {"username": token, "expires_at": "2099-01-01T00:00:00.000000Z"}

    def get_user(self, name: str) -> dict[str, str]:
        for known in PEOPLE:
            if known.lower() == name.lower():
                return {"username": known, "name": "", "created_at": ""}
        raise NotFound("no_such_user", "There is no user with this name.", "username")

    def ask(
        self, route: str, caller: str, path: dict[str, str] | None = None, **params: Any
    ) -> Any:
        """Call a route as somebody, or as nobody."""
        headers = {"Access-Token": caller} if caller else {}
        built = EnvironBuilder("/", headers=headers, query_string=params)
        return getattr(self.gateway, route)(http.Request(built.get_environ()), **(path or {}))

    def do(self, kind: str, *args: str) -> None:
        routes: dict[str, tuple[str, list[str]]] = {
            "add": ("add_link", ["url", "visibility"]),
            "change": ("update_link", ["url", "visibility"]),
            "delete": ("delete_link", ["url"]),
            "follow": ("follow", ["followed"]),
            "unfollow": ("unfollow", ["followed"]),
            "block": ("block", ["blocked"]),
            "unblock": ("unblock", ["blocked"]),
        }
        if kind == "forget":
            self.feeds.forget()
            return
        route, names = routes[kind]
        with suppress(ServiceError):
            self.ask(route, args[0], **dict(zip(names, args[1:], strict=True)))
        while self.told:
            handle, event = self.told.pop(0)
            handle(*event)

    def seen(self, viewer: str, who: str, **query: Any) -> list[tuple[str, str]]:
        """Return all that the pages of somebody's links show, one by one."""
        found: list[tuple[str, str]] = []
        token, more = "", True
        while more:
            given = {"start_token": token, "page_size": "1", **query}
            page = self.ask("get_links_of", viewer, {"name": who}, **given)
            found += [(link["Url"], link["Visibility"]) for link in page["links"]]
            token, more = page["next_token"], bool(page["next_token"])
        return found

    def read(self, viewer: str) -> list[tuple[str, str, str]]:
        with eventlet.Timeout(30):
            while True:
                with suppress(Unavailable):  # it is being made, on a busy machine
                    page = self.feeds.read(NewsQuery.new(viewer, "", 100, Order.OLDEST))
                    break
                eventlet.sleep(0.05)
        return [(event.type.name, event.author, event.url) for event in page.events]


@pytest.fixture(scope="module")
def make(postgres: Any, valkey_url: str) -> Iterator[Callable[[], System]]:
    """Return what makes a system in which nothing has happened."""
    with ExitStack() as stack:
        links = stack.enter_context(
            service_database.migrated(postgres, "link_svc", "links_who_may_see")
        )
        follows = stack.enter_context(
            service_database.migrated(postgres, "social_graph_svc", "follows_who_may_see")
        )
        client = stack.enter_context(connect(valkey_url))

        def new() -> System:
            service_database.empty(links, link_svc.models.Base.metadata)
            service_database.empty(follows, social_graph_svc.models.Base.metadata)
            client.flushdb()
            return System(links, follows, client)

        yield new


@example([("add", "Ann", URLS[0], "public"), ("block", "Ann", "bob"), ("follow", "bob", "Ann")])
@example([("follow", "bob", "Ann"), ("add", "Ann", URLS[0], "public"), ("block", "bob", "Ann")])
@example(
    [
        ("follow", "bob", "Ann"),
        ("add", "Ann", URLS[0], "followers"),
        ("change", "Ann", URLS[0], "private"),
        ("forget",),
        ("change", "Ann", URLS[0], "public"),
        ("delete", "Ann", URLS[0]),
        ("add", "Ann", URLS[0], "private"),
    ]
)
@given(actions=st.lists(action, min_size=5, max_size=25))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_everybody_sees_what_they_may(make: Callable[[], System], actions: list[Action]) -> None:
    system, model = make(), Model()
    for kind, *args in actions:
        system.do(kind, *args)
        model.do(kind, *args)
    for viewer, who in product(("", *PEOPLE), PEOPLE):
        if not model.finds(viewer, who):
            for route in ("get_user", "get_links_of"):
                with pytest.raises(NotFound, match="no user"):
                    system.ask(route, viewer, {"name": who.upper()})
            continue
        expected = model.sees(viewer, who)
        assert system.seen(viewer, who.upper()) == expected
        assert system.seen(viewer, who, order="newest") == expected[::-1]
        for visibility in VISIBILITIES:
            of_one = [each for each in expected if each[1] == visibility]
            assert system.seen(viewer, who, visibility=visibility) == of_one
        user = system.ask("get_user", viewer, {"name": who.lower()})["user"]
        assert user["Links"] == len(expected)
        assert user["Followed"] == ((viewer, who) in model.follows)
        assert user["Blocked"] == ((viewer, who) in model.blocks)
        assert user["Followers"] == sum(whom == who for _, whom in model.follows)
        assert user["Following"] == sum(one == who for one, _ in model.follows)
    for viewer in PEOPLE:
        assert system.read(viewer) == model.news(viewer)
        blocked = system.ask("get_blocked", viewer, page_size="100")["blocked"]
        assert set(blocked) == {whom for one, whom in model.blocks if one == viewer}
