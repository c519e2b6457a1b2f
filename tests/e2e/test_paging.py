"""Pages over HTTP alone: walking them loses nothing and repeats nothing, whatever goes on."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.api import Api, Event, added, assert_told
from tests.processes import until

Newcomer = Callable[[str], Api]
Answer = dict[str, Any]

URLS = [f"https://example.org/{number:03}" for number in range(25)]


def walk(page: Callable[..., Answer], **query: Any) -> Iterator[Answer]:
    """Yield one page after the other, from token to token."""
    answer = page(**query)
    yield answer
    while token := answer["next_token"]:
        answer = page(**query, start_token=token)
        yield answer


def walked_urls(owner: Api, **query: Any) -> list[list[str]]:
    return [[link["Url"] for link in page["links"]] for page in walk(owner.links, **query)]


def walked_news(reader: Api, **query: Any) -> list[list[str]]:
    return [[event["Url"] for event in page["events"]] for page in walk(reader.news, **query)]


def paged(everything: list[str], size: int) -> list[list[str]]:
    return [everything[at : at + size] for at in range(0, len(everything), size)]


@pytest.fixture(scope="module")
def author(newcomer: Newcomer) -> Api:
    """Somebody with 25 links, every fifth of them tagged and titled so."""
    author = newcomer("author")
    for number, url in enumerate(URLS):
        fifth = {"title": "a fifth", "tags": ["fifth"]} if number % 5 == 0 else {}
        author.add_link(url, **fifth)
    return author


@pytest.fixture(scope="module")
def reader(newcomer: Newcomer, author: Api) -> Api:
    """Somebody who follows the author, and has all the news."""
    reader = newcomer("reader")
    reader.follow(author.name)
    assert_told(reader, added(author, *URLS))
    return reader


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("size", [None, 1, 7, 24, 25, 26, 100])
def test_pages_of_links_and_news_are_the_whole(
    author: Api, reader: Api, size: int | None, order: str
) -> None:
    query = {"order": order} | ({"page_size": size} if size else {})
    everything = URLS if order == "oldest" else URLS[::-1]
    expected = paged(everything, size or 10)
    assert walked_urls(author, **query) == expected
    assert walked_news(reader, **query) == expected


@pytest.mark.parametrize(
    "query", [{"tag": "fifth"}, {"title_regex": "fifth"}, {"url_regex": "[05]$", "tag": "fifth"}]
)
def test_pages_of_a_filtered_list_are_the_whole(author: Api, query: dict[str, Any]) -> None:
    pages = walked_urls(author, page_size=2, **query)
    assert list(itertools.chain(*pages)) == URLS[::5]
    assert max(map(len, pages)) <= 2


def test_pages_of_followers_and_following_are_the_whole(newcomer: Newcomer) -> None:
    star, fan = newcomer("star"), newcomer("fan")
    people = [newcomer("person") for _ in range(7)]
    for one in people:
        one.follow(star.name)
        fan.follow(one.name)
    names = sorted(one.name for one in people)
    for page, field in ((star.followers, "followers"), (fan.following, "following")):
        pages = [list(answer[field]) for answer in walk(page, page_size=3)]
        assert pages == paged(names, 3)
        answers = list(walk(page))
        assert [list(answer[field]) for answer in answers] == [names]


def test_page_goes_on_although_the_last_link_shown_is_gone(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    for url in URLS[:6]:
        alice.add_link(url)
    first = alice.links(page_size=3)
    for url in URLS[1:3]:
        alice.delete_link(url)
    assert alice.urls(page_size=3, start_token=first["next_token"]) == URLS[3:6]


@contextmanager
def writers(owner: Api, count: int) -> Iterator[None]:
    """Let some people's programs add and delete links of one owner for as long as it takes."""
    stop = threading.Event()

    def write(writer: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            url = f"https://example.org/passing/{writer}/{number}"
            owner.add_link(url)
            owner.delete_link(url)

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(write, writer) for writer in range(count)]
        try:
            yield
        finally:
            stop.set()
        for each in running:
            each.result()


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_walking_while_links_come_and_go_loses_and_repeats_none(
    newcomer: Newcomer, order: str
) -> None:
    alice, stay = newcomer("alice"), URLS[:12]
    with writers(alice, 4):
        for url in stay:
            alice.add_link(url)
        for _ in range(3):
            seen = list(itertools.chain(*walked_urls(alice, page_size=2, order=order)))
            assert len(seen) == len(set(seen))
            kept = [url for url in seen if url in stay]
            assert kept == (stay if order == "oldest" else stay[::-1])


def test_reading_on_while_events_arrive_loses_and_repeats_none(newcomer: Newcomer) -> None:
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    carol.follow(alice.name)
    carol.follow(bob.name)
    mine = [url + "?by=alice" for url in URLS]
    others = [url + "?by=bob" for url in URLS]
    with ThreadPoolExecutor(2) as pool:
        writing = [
            pool.submit(lambda: [alice.add_link(url) for url in mine]),
            pool.submit(lambda: [bob.add_link(url) for url in others]),
        ]
        seen = read_on(carol, len(mine) + len(others))
        for each in writing:
            each.result()
    assert carol.told(page_size=100) == seen
    assert [url for _, name, url in seen if name == alice.name] == mine
    assert [url for _, name, url in seen if name == bob.name] == others


def read_on(reader: Api, count: int) -> list[Event]:
    """Read from page to page as somebody does who keeps only their last token."""
    seen: list[Event] = []
    token, unfinished = "", list[Event]()

    def turn() -> bool:
        nonlocal token, unfinished
        answer = reader.news(page_size=3, start_token=token)
        page = [(event["EventType"], event["Username"], event["Url"]) for event in answer["events"]]
        # What the last page had when it was not yet full is still there, and comes first.
        assert page[: len(unfinished)] == unfinished
        if answer["next_token"]:
            seen.extend(page)
            token, unfinished = answer["next_token"], []
        else:
            unfinished = page
        return len(seen) + len(unfinished) >= count

    until(turn, 20)
    return seen + unfinished


def test_newest_first_goes_on_where_it_was_although_news_arrive(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    for url in URLS[:6]:
        alice.add_link(url)
    assert_told(bob, added(alice, *URLS[:6]))
    first = bob.news(page_size=3, order="newest")
    alice.add_link(URLS[6])
    until(lambda: len(bob.told(page_size=100)) == 7)
    second = bob.told(page_size=3, order="newest", start_token=first["next_token"])
    assert second == added(alice, *URLS[:3][::-1])
