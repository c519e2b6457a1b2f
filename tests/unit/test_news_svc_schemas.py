"""Events and messages as they cross the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chassis import errors
from chassis.events import Event as CloudEvent
from news_svc import domain, schemas
from protos import news_pb2

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_link_event(**changes) -> CloudEvent:
    fields = {
        "id": "5f0c",
        "source": "/link_svc",
        "type": "link.added",
        "subject": "ann",
        "time": NOON,
        "data": {"link": {"url": "https://example.org/", "title": "Ex", "tags": []}, "version": 3},
    }
    return CloudEvent(**{**fields, **changes})


def a_follow_event(**changes) -> CloudEvent:
    data = {"followed": "ann", "version": 2, "by": "tomorrow's field"}
    fields = {"type": "follow.added", "subject": "bob", "data": data}
    return a_link_event(**{**fields, **changes})


def test_link_event_is_read_with_its_place():
    event = domain.Event(domain.EventType.LINK_ADDED, "ann", "https://example.org/", "Ex", NOON)
    expected = domain.Published(event, "5f0c", version=3, sequence=17)
    assert schemas.published(a_link_event(), 17) == expected


@pytest.mark.parametrize("visibility", ["followers", "public"])
def test_link_event_of_who_may_be_read_is_read(visibility):
    link = {"url": "https://example.org/", "title": "Ex", "visibility": visibility}
    event = a_link_event(data={"link": link, "version": 3})
    assert schemas.published(event, 17) == schemas.published(a_link_event(), 17)


@pytest.mark.parametrize("visibility", ["private", "a later release's", None, ["public"]])
def test_link_event_of_who_may_not_be_read_hides_the_link(visibility):
    link = {"url": "https://example.org/", "title": "Secret", "visibility": visibility}
    event = schemas.published(a_link_event(data={"link": link, "version": 3}), 17).event
    assert (event.type, event.url, event.title) == ("link.hidden", link["url"], "")


def test_hidden_link_needs_no_title():
    link = {"url": "https://example.org/"}
    event = a_link_event(type="link.hidden", data={"link": link, "version": 3})
    assert schemas.published(event, 17).event.type is domain.EventType.LINK_HIDDEN


def test_link_event_of_another_zone_is_read_as_utc():
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    assert schemas.published(a_link_event(time=there), 1).event.time.tzinfo is UTC


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "link.forgotten"},
        {"data": {}},
        {"data": {"link": "https://example.org/", "version": 1}},
        {"data": {"link": {"title": "no url"}, "version": 1}},
        {"data": {"link": {"url": "https://example.org/", "title": None}, "version": 1}},
        {"data": {"link": {"url": "https://example.org/", "title": ""}}},
        {"data": {"link": {"url": "https://example.org/", "title": ""}, "version": True}},
        {"data": {"link": {"url": "https://example.org/", "title": ""}, "version": "1"}},
        {"subject": "a/b"},
        {"id": ""},
    ],
)
def test_link_event_that_does_not_fit_is_refused(changes):
    with pytest.raises(errors.InvalidInput):
        schemas.published(a_link_event(**changes), 1)


def test_event_before_the_first_year_in_utc_is_refused():
    early = datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))
    with pytest.raises(errors.InvalidInput):
        schemas.published(a_link_event(time=early), 1)


@pytest.mark.parametrize(("kind", "follows"), [("follow.added", True), ("follow.removed", False)])
def test_follow_event_is_read(kind, follows):
    expected = domain.FollowChange("bob", "ann", follows, version=2)
    assert schemas.follow_change(a_follow_event(type=kind)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "link.added"},
        {"data": {"followed": "", "version": 1}},
        {"data": {"followed": ["ann"], "version": 1}},
        {"data": {"followed": "ann", "version": -1}},
        {"subject": ""},
    ],
)
def test_follow_event_that_does_not_fit_is_refused(changes):
    with pytest.raises(errors.InvalidInput):
        schemas.follow_change(a_follow_event(**changes))


def test_request_is_read():
    token = domain.Position(domain.Order.NEWEST, 5).token
    request = news_pb2.GetNewsRequest(
        username="bob", startToken=token, pageSize=3, order=news_pb2.NEWEST
    )
    expected = domain.NewsQuery("bob", domain.Order.NEWEST, after=5, page_size=3)
    assert schemas.news_query(request) == expected


def test_request_in_no_known_order_is_refused():
    with pytest.raises(errors.InvalidInput) as refused:
        schemas.news_query(news_pb2.GetNewsRequest(username="bob", order=7))
    assert refused.value.code == "invalid_order"


@pytest.mark.parametrize("kind", [each for each in domain.EventType if each != "link.hidden"])
def test_page_is_written(kind):
    event = domain.Event(kind, "ann", "https://example.org/?q=ü", "Ü", NOON)
    response = schemas.news_page(domain.Page((event,), "next"))
    assert response.nextToken == "next"
    assert response.err == ""
    [written] = response.events
    assert news_pb2.EventType.Name(written.eventType) == kind.name
    assert (written.username, written.url, written.title) == (event.author, event.url, event.title)
    assert written.timestamp.ToDatetime(UTC) == NOON


def test_refusal_is_written_into_err():
    assert schemas.refusal(errors.InvalidInput("code", "A sentence.")).err == "A sentence."


def test_only_our_services_send_a_call_stack():
    assert schemas.from_a_service([("x-nameko-call_id_stack", '["gateway.1"]')])
    assert not schemas.from_a_service([("user", "x-nameko-call_id_stack")])
