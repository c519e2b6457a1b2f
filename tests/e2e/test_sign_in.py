"""Sign-in over HTTP alone, and doors that stay closed to whoever has not."""

import re
from collections.abc import Callable

import pytest
import requests

from tests.e2e.api import TIME, Api, assert_refused, person, sign_in
from tests.e2e.system import System

Newcomer = Callable[[str], Api]

URL = "https://example.org/page"
TOKEN = re.compile(r"dlk_[0-9A-Za-z]{49}")

ROUTES = [
    (method, f"/{version}/{path}")
    for version in ("v1.0", "v1")
    for method, path in [
        *((method, "links") for method in ("GET", "POST", "PUT", "DELETE")),
        *((method, "following") for method in ("GET", "POST", "DELETE")),
        ("GET", "followers"),
        ("GET", "news"),
    ]
] + [("GET", "/logout"), ("POST", "/logout")]


def test_home_tells_programs_and_browsers_where_to_sign_in(system: System) -> None:
    home = Api(system.url).call("GET", "/")
    assert home.json()["sign_in"] == f"{system.url}/login"
    page = Api(system.url).call("GET", "/", headers={"Accept": "text/html"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/login" in page.text


def test_sign_in_answers_the_profile_with_our_token(system: System) -> None:
    profile = sign_in(system.url, "signing-in")
    assert profile["err"] == ""
    assert (profile["login"], profile["username"]) == ("signing-in", "signing-in")
    assert profile["email"] == "signing-in@development.invalid"
    assert TOKEN.fullmatch(profile["access_token"])
    assert TIME.fullmatch(profile["expires_at"])


def test_second_sign_in_is_the_same_person_with_another_token(newcomer: Newcomer) -> None:
    first = newcomer("twice")
    second = person(first.url, first.name.upper())
    assert first.token != second.token
    first.add_link(URL)
    assert second.urls() == [URL]


def test_sign_in_lets_in_once(system: System) -> None:
    """F1: a browser that kept its cookie, and a provider that gives a second code for it."""
    with requests.Session() as browser:
        page = browser.get(f"{system.url}/login", timeout=10)
        (cookie,) = browser.cookies
        back = [
            browser.post(page.url, data={"login": "once"}, allow_redirects=False, timeout=10)
            for _ in range(2)
        ]
        first, second = (answer.headers["Location"] for answer in back)
        assert browser.get(first, timeout=10).status_code == 200
        assert not browser.cookies
        assert browser.get(second, timeout=10).json()["code"] == "invalid_state"
        browser.cookies.set_cookie(cookie)
        assert browser.get(second, timeout=10).json()["code"] == "invalid_state"


def test_both_headers_carry_the_token(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    bearer = {"Authorization": f"Bearer {alice.token}"}
    assert Api(alice.url).call("GET", "/v1.0/links", headers=bearer).status_code == 200
    assert alice.call("GET", "/v1.0/links").status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_logout_revokes_this_token_alone(system: System, newcomer: Newcomer, method: str) -> None:
    alice = newcomer("alice")
    elsewhere = person(system.url, alice.name)
    answer = alice.call(method, "/logout")
    assert (answer.status_code, answer.text) == (200, "OK")
    for route in ("/v1.0/links", "/v1.0/news", "/logout"):
        assert_refused(alice.call("GET", route), 401, "access_denied")
    assert elsewhere.urls() == []


@pytest.fixture(scope="module")
def signed_in(newcomer: Newcomer) -> Api:
    return newcomer("alice")


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_every_route_is_closed_without_a_good_token(
    signed_in: Api, method: str, route: str
) -> None:
    token, nobody = signed_in.token, Api(signed_in.url)
    headers: list[dict[str, str]] = [
        {},
        {"Access-Token": ""},
        {"Access-Token": "junk"},
        {"Access-Token": token[:-1]},
        {"Access-Token": token.swapcase()},
        {"Access-Token": token + "A" * 4000},
        {"Access-Token": "dlk_" + "A" * 43},
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"Authorization": f"Bearer {token}x"},
        {"Access-Token": token, "Authorization": "Bearer dlk_another"},
        {"Cookie": f"Access-Token={token}"},
    ]
    answers = [nobody.call(method, route, headers=each) for each in headers]
    answers += [
        nobody.call(method, route, params={"access_token": token, "Access-Token": token}),
        nobody.call(method, route, json={"access_token": token, "Access-Token": token}),
    ]
    for answer in answers:
        assert_refused(answer, 401, "access_denied")
        assert answer.json()["err"] == "Access Denied!"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert signed_in.call("GET", "/v1.0/links").status_code == 200
