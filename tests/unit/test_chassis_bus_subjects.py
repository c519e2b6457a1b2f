"""AMQP's names as NATS subjects."""

import pytest

from chassis.bus.subjects import bindings, subject


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("nameko-rpc", "link_svc.add_link"), "nameko-rpc.link_svc.add_link"),
        (("link_svc.events", "link_added"), "link_svc.events.link_added"),
        (("", "queue"), "queue"),
        (("e", "a b"), "e.a%20b"),
        (("e", "a>b*"), "e.a%3Eb%2A"),
        (("e", "a\r\nPUB x 0"), "e.a%0D%0APUB%20x%200"),
        (("e", "a..b"), "e.a.%00.b"),
        (("e", "naïve"), "e.na%C3%AFve"),
    ],
)
def test_subject_is_one_that_nats_takes_literally(names: tuple[str, ...], expected: str) -> None:
    assert subject(*names) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("link_svc.*", {"x.link_svc.*"}),
        ("told", {"x.told"}),
        ("#", {"x.>"}),
        ("a.#", {"x.a", "x.a.>"}),
        ("*.b", {"x.*.b"}),
        ("", {"x"}),
    ],
)
def test_bindings_cover_what_the_pattern_means(key: str, expected: set[str]) -> None:
    assert bindings("x", key) == expected


def test_bindings_that_nats_cannot_express_are_refused() -> None:
    with pytest.raises(ValueError, match="before its end"):
        bindings("x", "a.#.b")
