"""The service's sentences, with a fake store and a fake social graph."""

from datetime import UTC, datetime
from unittest.mock import create_autospec

import pytest
from nameko.testing.services import worker_factory

from chassis import errors
from chassis.events import Event as CloudEvent
from news_svc import schemas
from news_svc.feeds import Feeds
from news_svc.service import NewsService
from protos import news_pb2
from tests.fakes.news_svc import FakeFeedStore, FakeHistory, FakeSocialGraph

STRANGER = [("user", "me")]
GATEWAY = [("x-nameko-call_id_stack", '["gateway.get_news.1"]')]


class Context:
    """As much of a gRPC call's context as the service looks at."""

    def __init__(self, metadata) -> None:
        self.metadata = metadata

    def invocation_metadata(self):
        return self.metadata


@pytest.fixture
def graph():
    return FakeSocialGraph()


@pytest.fixture
def service(graph):
    feeds = Feeds(FakeFeedStore(), FakeHistory(), graph, length=5)
    return worker_factory(NewsService, feeds=feeds, social_graph=graph)


def link_event(author, number, kind="link.added"):
    data = {"link": {"url": f"https://example.org/{number}", "title": ""}, "version": number}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return CloudEvent(f"{author}-{number}", "/link_svc", kind, author, now, data)


def follow_event(kind, follower, followed, version):
    data = {"followed": followed, "version": version}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return CloudEvent(f"f{version}", "/social_graph_svc", kind, follower, now, data)


def news(service, username, metadata=GATEWAY, **fields):
    request = news_pb2.GetNewsRequest(username=username, **fields)
    return service.GetNews(request, Context(metadata))


def urls(response):
    return [event.url.rpartition("/")[2] for event in response.events]


def test_link_event_reaches_every_follower(service, graph):
    names = [f"user{n}" for n in range(2500)]
    graph.pairs = {(name, "ann") for name in names}
    service.on_link_events([(link_event("ann", 1), 1)])
    assert all(urls(news(service, name)) == ["1"] for name in names)
    assert urls(news(service, "ann")) == []


def test_duplicate_of_a_link_event_is_not_delivered_again(service, graph):
    graph.pairs = {("bob", "ann")}
    service.on_link_events([(link_event("ann", 1), 1)])
    assert urls(news(service, "bob")) == ["1"]
    graph.away = True
    service.on_link_events([(link_event("ann", 1), 2)])
    assert urls(news(service, "bob")) == ["1"]


def test_delivery_that_died_half_way_is_finished_by_the_redelivery(service, graph):
    graph.pairs = {("bob", "ann")}
    graph.away = True
    with pytest.raises(errors.Unavailable):
        service.on_link_events([(link_event("ann", 1), 1)])
    graph.away = False
    service.on_link_events([(link_event("ann", 1), 1)])
    assert urls(news(service, "bob")) == ["1"]


def test_following_brings_the_latest_events(service, graph):
    service.on_link_events([(link_event("ann", 1), 1)])
    assert urls(news(service, "bob")) == []
    graph.pairs = {("bob", "ann")}
    service.on_follow_event(follow_event("follow.added", "bob", "ann", 1), 1)
    assert urls(news(service, "bob")) == ["1"]


def test_leaving_brings_back_what_was_crowded_out(service, graph):
    graph.pairs = {("bob", "cat"), ("bob", "ann")}
    service.on_link_events([(link_event("cat", 1), 1)])
    for number in range(2, 7):
        service.on_link_events([(link_event("ann", number), number)])
    assert urls(news(service, "bob")) == ["2", "3", "4", "5", "6"]
    graph.pairs.remove(("bob", "ann"))
    service.on_follow_event(follow_event("follow.removed", "bob", "ann", 3), 3)
    assert urls(news(service, "bob")) == ["1"]


def test_following_while_the_social_graph_is_away_shows_when_it_is_back(service, graph):
    service.on_link_events([(link_event("ann", 1), 1)])
    assert urls(news(service, "bob")) == []
    graph.pairs = {("bob", "ann")}
    graph.away = True
    service.on_follow_event(follow_event("follow.added", "bob", "ann", 1), 1)
    with pytest.raises(errors.Unavailable):
        news(service, "bob")
    graph.away = False
    assert urls(news(service, "bob")) == ["1"]


def test_feeds_that_are_forgotten_are_made_again(service, graph):
    graph.pairs = {("bob", "ann")}
    service.on_link_events([(link_event("ann", 1), 1)])
    service.forget_feeds()
    service.feeds.history.log = [schemas.published(link_event("ann", 1), 1)]
    service.rebuild_feed("bob")
    graph.away = True
    assert urls(news(service, "bob")) == ["1"]


def test_feed_that_is_made_shows_nothing_that_is_on_its_way_to_others(service, graph):
    """Or a reader would go on from a token past what others did before."""
    graph.pairs = {("bob", "ann"), ("bob", "cat")}
    service.on_link_events([(link_event("cat", 1), 1)])
    service.feeds.history.log = [
        schemas.published(one, n)
        for n, one in enumerate(
            [link_event("cat", 1), link_event("cat", 2), link_event("ann", 3)], 1
        )
    ]
    service.feeds.renew("bob")
    assert urls(news(service, "bob")) == ["1"]
    service.on_link_events([(link_event("cat", 2), 2)])
    service.on_link_events([(link_event("ann", 3), 3)])
    assert urls(news(service, "bob")) == ["1", "2", "3"]


def test_batch_reaches_everyone_in_the_order_of_the_stream(service, graph):
    graph.pairs = {("bob", "ann"), ("bob", "cat"), ("eve", "cat")}
    events = [link_event(author, n) for n, author in enumerate(["cat", "ann", "cat"], 1)]
    service.on_link_events([(event, n) for n, event in enumerate(events, 1)])
    assert urls(news(service, "bob")) == ["1", "2", "3"]
    assert urls(news(service, "eve")) == ["1", "3"]


@pytest.mark.parametrize("name", ["", "no name", None, 7])
def test_feed_of_no_name_is_refused(service, name):
    with pytest.raises(errors.InvalidInput):
        service.rebuild_feed(name)


def test_event_that_nobody_knows_is_refused(service):
    event = link_event("ann", 1, kind="link.forgotten")
    with pytest.raises(errors.InvalidInput):
        service.on_link_events([(event, 1)])
    with pytest.raises(errors.InvalidInput):
        service.on_follow_event(event, 1)


def test_refusal_reaches_a_stranger_in_err(service):
    response = news(service, "bob", STRANGER, startToken="none")
    assert response.err == "That is no token of these pages."
    assert not response.events


def test_refusal_reaches_a_service_as_an_error(service):
    with pytest.raises(errors.InvalidInput):
        news(service, "", GATEWAY)


@pytest.mark.parametrize("caller", [STRANGER, GATEWAY])
def test_feeds_that_are_away_are_an_error_for_everybody(service, caller):
    service.feeds = create_autospec(Feeds, instance=True)
    service.feeds.read.side_effect = errors.Unavailable("feeds_unavailable")
    with pytest.raises(errors.Unavailable):
        news(service, "bob", caller)
