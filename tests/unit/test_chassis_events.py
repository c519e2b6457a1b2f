"""CloudEvents as JSON."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from chassis.events import Event
from chassis.streams import deliveries

TEXT = st.text(min_size=1).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)


@given(TEXT, st.dictionaries(TEXT, TEXT | st.integers() | st.booleans()))
def test_event_survives_the_wire(text: str, data: dict[str, object]) -> None:
    event = Event(text, "/link_svc", "link.added", text, datetime.now(UTC), data)
    assert Event.decode(event.encode()) == event


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"id": "1", "source": "s", "type": "t", "subject": "x", "time": "now", "data": {}}',
        b'{"id": "1", "source": "s", "type": "t", "subject": "x", "time": "2026-01-01T00:00:00",'
        b' "data": {}}',
        b'{"id": 1, "source": "s", "type": "t", "subject": "x", "time": "2026-01-01T00:00:00Z",'
        b' "data": {}}',
        b'{"id": "1", "source": "s", "type": "t", "subject": "x", "time": "2026-01-01T00:00:00Z",'
        b' "data": []}',
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        Event.decode(body)
    assert refused.value.code == "invalid_event"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("$JS.ACK.link-events.news.3.17.20.1700000000000000000.5", (17, 3, 5)),
        ("$JS.ACK.hub.account.link-events.news.3.17.20.1700000000000000000.5.token", (17, 3, 5)),
    ],
)
def test_place_is_read_from_both_forms_of_the_acknowledgement_subject(
    reply: str, expected: tuple[int, int, int]
) -> None:
    assert deliveries.place(SimpleNamespace(reply=reply)) == expected
