"""Texts of all kinds over HTTP alone: kept exactly, never obeyed, and found again in no time."""

import time
from collections.abc import Callable

import pytest

from tests.e2e.api import Api, added, assert_refused, assert_told

Newcomer = Callable[[str], Api]

LINKS = "/v1.0/links"

TEXTS = [
    "🎈 party 👩‍👩‍👧‍👦 🏳️‍🌈",
    "שלום עולם \u202eright to left\u202c مرحبا",
    "Zalgo: e\u0301 is not é, a\u030a\u0323\u0301",
    "ﬁ ① Ⅷ ﷺ \ufeff \u200b zero width",
    "<script>alert(1)</script> &amp; \"quoted\" 'single' `back`",
    "line\nline\r\nX-Injected: 1\ttab \x01\x7f\x85",
    "\\u0000 \\x00 %00 %0d%0a ${jndi:ldap://x} {{7*7}} %s %(a)s {0}",
    "  spaces on both ends  ",
    "日本語、中文、한국어",
    "\U0010ffff\ufffe\uffff\ufdd0",
]
SQL = [
    "' OR '1'='1",
    "'; DROP TABLE links; --",
    '"; DROP TABLE links; --',
    "1); DELETE FROM links WHERE (1=1",
    "' UNION SELECT token_hash FROM tokens --",
    "admin'--",
    "' OR 1=1 /*",
    "\\'; DROP TABLE links; --",
    "%' OR '%'='",
    "$$; SELECT pg_sleep(5); $$",
    "'||(SELECT pg_sleep(5))||'",
    ":url %(url)s %s ? $1",
    "{a:b} [1] (1)",
]
CATASTROPHIC = [
    "(a+)+$",
    "^(a|a)*$",
    "(a|aa)+$",
    "(.*a){20}$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(x+x+)+y",
    "(a?){28}a{28}b",
    "((a*)*)*b",
    "(\\w+\\s?)*z$",
]
URLS = [
    "https://例え.テスト/道?q=値#節",
    "https://münchen.example/straße?ü=ß",
    "https://host.example/🎈",
    "https://host.example/%F0%9F%8E%88%ff%00",
    "https://host.example/e\u0301",
    "https://host.example/é",
    "HTTPS://Host.Example/",
    "https://host.example",
    "https://host.example/",
    "https://user:word@host.example:8443/a;b=c?d=e&f#g",
    "https://[2001:db8::1]:8080/",
    "http://127.0.0.1/",
    "ftp://host.example/file",
    "https://host.example/';DROP+TABLE+links;--",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("where", ["json", "data", "params"])
def test_text_comes_back_exactly(newcomer: Newcomer, text: str, where: str) -> None:
    alice = newcomer("alice")
    link = {"url": "https://host.example/", "title": text, "description": text}
    answer = alice.call("POST", LINKS, **{where: link})
    assert (answer.status_code, answer.json()) == (200, {"err": ""})
    answer = alice.call("GET", LINKS)
    assert "X-Injected" not in answer.headers
    (kept,) = answer.json()["links"]
    assert (kept["Title"], kept["Description"]) == (text, text)


def test_texts_reach_the_news_exactly(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    for number, text in enumerate(TEXTS):
        alice.add_link(f"https://host.example/{number}", title=text)
    expected = [f"https://host.example/{number}" for number in range(len(TEXTS))]
    assert_told(bob, added(alice, *expected))
    assert [event["Title"] for event in bob.news(page_size=100)["events"]] == TEXTS


def test_urls_are_kept_as_given_each_on_its_own(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    for number, url in enumerate(URLS):
        where = ("json", "data", "params")[number % 3]
        assert alice.call("POST", LINKS, **{where: {"url": url}}).status_code == 200, url
        again = alice.call("POST", LINKS, json={"url": url})
        assert_refused(again, 409, "link_exists", "url")
    assert alice.urls(page_size=100) == URLS
    assert_told(bob, added(alice, *URLS))
    for url in URLS:
        alice.delete_link(url)
    assert alice.urls() == []


def test_sql_is_a_text_like_any_other(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.add_link("https://host.example/")
    for number, text in enumerate(SQL):
        tag = text.replace(",", "")
        url = f"https://host.example/{number}"
        alice.add_link(url, title=text, description=text, tags=[tag])
        assert alice.urls(tag=tag) == [url]
        followed = alice.call("POST", "/v1.0/following", json={"followed": text})
        assert_refused(followed, 404, "no_such_user", "followed")
        gone = alice.call("DELETE", LINKS, json={"url": text})
        assert_refused(gone, 404, "no_such_link", "url")
        answer = alice.call("GET", LINKS, params={"start_token": text})
        assert_refused(answer, 400, "invalid_token", "start_token")
        regex = alice.call("GET", LINKS, params={"title_regex": text})
        assert regex.status_code in (200, 400)
    links = alice.links(page_size=100)["links"]
    assert [link["Title"] for link in links] == SQL
    assert bob.urls() == ["https://host.example/"]


@pytest.fixture(scope="module")
def monotonous(newcomer: Newcomer) -> Api:
    """Somebody whose texts are what a backtracking search dies of."""
    monotonous = newcomer("monotonous")
    for number in range(20):
        text = "a" * (400 + number) + "!"
        monotonous.add_link(f"https://host.example/{number}", title=text, description=text * 9)
    return monotonous


@pytest.mark.parametrize("regex", CATASTROPHIC)
def test_no_regex_runs_away(monotonous: Api, regex: str) -> None:
    query = {f"{part}_regex": regex for part in ("title", "description")}
    began = time.monotonic()
    assert monotonous.urls(**query) == []
    assert time.monotonic() - began < 2
