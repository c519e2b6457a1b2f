"""Every route: who calls, what is passed on, and what comes back."""

import inspect
import json
import re
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR
from nameko.testing.services import worker_factory
from werkzeug.test import EnvironBuilder

from chassis import errors, http
from gateway import api, clients, sizes
from gateway.service import GatewayService
from gateway.sign_in import flow
from link_svc.service import LinkService
from social_graph_svc.service import SocialGraphService
from user_svc.service import UserService

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
URL = "https://nats.io"
PUBLIC = "http://localhost:5000"


@pytest.fixture
def gateway() -> Any:
    service = worker_factory(
        GatewayService,
        public_url=PUBLIC,
        anonymous_readers=False,
        sizes=sizes.LARGEST,
        development=True,
        sign_in=create_autospec(flow.SignIn, instance=True),
        users=create_autospec(UserService, instance=True),
        links=create_autospec(LinkService, instance=True),
        social_graph=create_autospec(SocialGraphService, instance=True),
        news=create_autospec(clients.News, instance=True),
    )
    service.users.verify_token.return_value = {"username": "alice", "expires_at": ""}
    service.users.get_user.side_effect = lambda name: {"username": name.capitalize()}
    service.sign_in.labels.return_value = {"github": "GitHub", "oidc": "Our <house>"}
    service.sign_in.forget.side_effect = lambda response: response
    return service


def a_request(path: str = "/", token: str = "dlk_a", **options: Any) -> http.Request:
    headers = options.pop("headers", {}) | ({"Access-Token": token} if token else {})
    return http.Request(EnvironBuilder(path, headers=headers, **options).get_environ())


def routes() -> set[tuple[str, str]]:
    return {
        (method, entrypoint.url)
        for _, handler in inspect.getmembers(GatewayService)
        for entrypoint in getattr(handler, ENTRYPOINT_EXTENSIONS_ATTR, ())
        for method in entrypoint.method.split(",")
    }


def test_routes_are_those_of_the_design() -> None:
    ours = {
        ("GET", "me"),
        ("DELETE", "me"),
        ("GET", "tokens"),
        ("POST", "tokens"),
        ("DELETE", "tokens"),
        ("GET", "link"),
        ("GET", "links"),
        ("POST", "links"),
        ("POST", "links/bulk"),
        ("PUT", "links"),
        ("DELETE", "links"),
        ("GET", "followers"),
        ("GET", "following"),
        ("POST", "following"),
        ("DELETE", "following"),
        ("GET", "news"),
        ("GET", "blocked"),
        ("POST", "blocked"),
        ("DELETE", "blocked"),
        ("GET", "users/<name>"),
        ("GET", "users/<name>/links"),
        ("PUT", "me"),
        ("POST", "imports"),
        ("GET", "links/export"),
        ("GET", "imports/<id>"),
        ("DELETE", "imports/<id>"),
    }
    assert routes() == {
        ("GET", "/"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/login"),
        ("GET", "/login/authorized"),
        ("GET", "/login/authorized/oidc"),
        ("GET", "/logout"),
        ("POST", "/logout"),
        *((method, f"/{version}/{path}") for method, path in ours for version in ("v1.0", "v1")),
    }


ROUTES = [route for route in api.routes(GatewayService) if route.scope]


def entry(gateway: Any, route: api.Route) -> Any:
    """Return the method of a route as the server calls it."""
    return getattr(gateway, route.handler.__name__)


def assert_nothing_done(gateway: Any) -> None:
    for peer in (gateway.links, gateway.social_graph, gateway.news):
        assert peer.mock_calls == []
    assert {call[0] for call in gateway.users.mock_calls} <= {"verify_token"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_is_let_in_without_a_good_token(gateway: Any, route: api.Route) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        entry(gateway, route)(a_request(token="", method="POST"))
    assert caught.value.challenge == "Bearer"
    gateway.users.verify_token.side_effect = errors.Unauthenticated("access_denied")
    with pytest.raises(errors.Unauthenticated) as caught:
        entry(gateway, route)(a_request(method="POST"))
    assert caught.value.challenge == 'Bearer error="invalid_token"'
    assert_nothing_done(gateway)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("scopes", [["read"], ["write"], ["read", "write"], []], ids="+".join)
def test_a_token_is_good_for_its_scopes_alone(
    gateway: Any, route: api.Route, scopes: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    if route.scope == "any" or route.scope in scopes:
        return  # let in: the other tests are about what happens then
    caplog.set_level("INFO", "audit")
    gateway.users.verify_token.return_value = {
        "username": "alice",
        "expires_at": "",
        "token_id": "7",
        "kind": "personal",
        "scopes": scopes,
    }
    with pytest.raises(errors.PermissionDenied) as caught:
        entry(gateway, route)(a_request(method="POST"))
    assert caught.value.code == f"{route.scope}_scope_needed"
    assert f'error="insufficient_scope", scope="{route.scope}"' in caught.value.challenge
    assert_nothing_done(gateway)
    (line,) = caplog.records
    told = line.facts  # type: ignore[attr-defined]
    assert (told["event"], told["actor"], told["token_id"]) == ("scope_refused", "alice", "7")


def test_each_route_asks_for_what_it_does() -> None:
    """Reading for GET, writing for the rest; an account is its owner's alone."""
    for route in ROUTES:
        if route.path == "/logout":
            expected = "any"
        elif route.path == "/v1.0/tokens" or (route.method, route.path) == ("DELETE", "/v1.0/me"):
            expected = "account"
        else:
            expected = "read" if route.method == "GET" else "write"
        assert route.scope == expected


def test_get_links_passes_the_filters_on(gateway: Any) -> None:
    gateway.links.get_links.return_value = {"links": [], "next_token": ""}
    answer = gateway.get_links(a_request("/?tag=a&tag=b&title_regex=N&page_size=5&username=bob"))
    assert answer == {"err": "", "links": [], "next_token": ""}
    query = {"tag": ["a", "b"], "title_regex": "N", "page_size": 5}
    gateway.links.get_links.assert_called_once_with("alice", query)


@pytest.mark.parametrize("how", ["data", "json", "query_string"])
def test_parameters_come_as_form_json_or_query(gateway: Any, how: str) -> None:
    link = {"url": "https://nats.io", "title": "NATS", "tags": "bus,go"}
    request = a_request(method="POST", **{how: link | {"username": "bob"}})
    gateway.links.add_link.return_value = {"version": "17-1"}
    assert gateway.add_link(request) == (200, {"err": ""}, {"ETag": '"17-1"'})
    gateway.links.add_link.assert_called_once_with("alice", link, "")


def test_update_link_passes_the_changes_on(gateway: Any) -> None:
    changes = {"url": "https://nats.io", "add_tags": ["a"], "remove_tags": {"b": True}}
    gateway.links.update_link.return_value = {"version": "17-2"}
    answer = gateway.update_link(a_request(method="PUT", json=changes))
    assert answer == (200, {"err": ""}, {"ETag": '"17-2"'})
    gateway.links.update_link.assert_called_once_with("alice", changes, None)


@pytest.mark.parametrize(
    ("given", "versions"),
    [
        ('"17-1"', ["17-1"]),
        ('"17-1", "17-2"', ["17-1", "17-2"]),
        ("*", None),
        ('W/"17-1"', []),
        ("", []),
        (",,", []),
        ('""', []),
    ],
)
def test_if_match_names_versions(gateway: Any, given: str, versions: list[str] | None) -> None:
    gateway.links.update_link.return_value = {"version": "17-2"}
    request = a_request(method="PUT", json={"url": URL}, headers={"If-Match": given})
    gateway.update_link(request)
    gateway.links.update_link.assert_called_once_with("alice", {"url": URL}, versions)
    gateway.delete_link(a_request(f"/?url={URL}", method="DELETE", headers={"If-Match": given}))
    gateway.links.delete_link.assert_called_once_with("alice", URL, versions)


@pytest.mark.parametrize("key", ["x", "~" * 255, "a b"])
def test_idempotency_key_is_passed_on(gateway: Any, key: str) -> None:
    gateway.links.add_link.return_value = {"version": "17-1"}
    headers = {"Idempotency-Key": key}
    gateway.add_link(a_request(method="POST", json={"url": URL}, headers=headers))
    gateway.links.add_link.assert_called_once_with("alice", {"url": URL}, key)
    changes = [{"action": "delete", "url": URL}]
    gateway.links.change_links.return_value = []
    gateway.change_links(a_request(method="POST", json={"changes": changes}, headers=headers))
    gateway.links.change_links.assert_called_once_with("alice", changes, key)


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe9", "a\tb"])
def test_idempotency_key_must_be_short_and_printable(gateway: Any, key: str) -> None:
    headers = {"Idempotency-Key": key}
    with pytest.raises(errors.InvalidInput) as caught:
        gateway.add_link(a_request(method="POST", json={"url": URL}, headers=headers))
    assert (caught.value.code, caught.value.field) == ("invalid_idempotency_key", "Idempotency-Key")
    gateway.links.add_link.assert_not_called()


def test_delete_link_needs_a_url(gateway: Any) -> None:
    assert gateway.delete_link(a_request("/?url=https://nats.io", method="DELETE")) == {"err": ""}
    gateway.links.delete_link.assert_called_once_with("alice", "https://nats.io", None)
    with pytest.raises(errors.InvalidInput) as caught:
        gateway.delete_link(a_request(method="DELETE"))
    assert (caught.value.code, caught.value.field) == ("missing_url", "url")


@pytest.mark.parametrize("side", ["followers", "following"])
def test_follows_are_listed_page_by_page(gateway: Any, side: str) -> None:
    peer = getattr(gateway.social_graph, f"get_{side}")
    peer.return_value = {"usernames": ["bob"], "next_token": "t"}
    answer = getattr(gateway, f"get_{side}")(a_request("/?start_token=s&page_size=3&username=bob"))
    assert answer == {"err": "", side: {"bob": True}, "next_token": "t"}
    peer.assert_called_once_with("alice", start_token="s", page_size=3)
    getattr(gateway, f"get_{side}")(a_request("/"))
    peer.assert_called_with("alice")


def test_follow_uses_the_other_ones_own_spelling(gateway: Any) -> None:
    form = {"followed": "bob", "username": "mallory", "follower": "mallory"}
    keyed = a_request(method="POST", data=form, headers={"Idempotency-Key": "k"})
    assert gateway.follow(keyed) == {"err": ""}
    gateway.social_graph.follow.assert_called_once_with("alice", "Bob", "k")


def test_nobody_can_be_followed_who_is_not_there(gateway: Any) -> None:
    gateway.users.get_user.side_effect = errors.NotFound("no_such_user", "Nobody.", "username")
    with pytest.raises(errors.NotFound) as caught:
        gateway.follow(a_request(method="POST", data={"followed": "bob"}))
    assert (caught.value.code, caught.value.field) == ("no_such_user", "followed")
    gateway.social_graph.follow.assert_not_called()


def test_unfollow_leaves_it_to_the_graph_whether_one_followed(gateway: Any) -> None:
    assert gateway.unfollow(a_request("/?followed=bob", method="DELETE")) == {"err": ""}
    gateway.social_graph.unfollow.assert_called_once_with("alice", "Bob")
    gateway.users.get_user.side_effect = errors.NotFound("no_such_user")
    gateway.social_graph.unfollow.side_effect = errors.NotFound("not_following")
    with pytest.raises(errors.NotFound, match="not_following"):
        gateway.unfollow(a_request("/?followed=gone", method="DELETE"))


STRANGER = {"follows": False, "blocks": False, "is_blocked": False}
COUNTS = {"followers": 3, "following": 2}
LINKS = {"links": [], "next_token": "t"}
BOB = {"username": "Bob", "name": "Bobby", "created_at": "2026-01-01T00:00:00.000000Z"}


@pytest.fixture
def pages(gateway: Any) -> Any:
    """Return a gateway behind which Bob is, and alice and he have nothing to do with each other."""
    gateway.users.get_user.side_effect = lambda name: BOB
    gateway.social_graph.get_relation.return_value = STRANGER
    gateway.social_graph.get_profile.return_value = STRANGER | COUNTS
    gateway.links.get_links.return_value = LINKS
    gateway.links.count_links.return_value = 5
    return gateway


@pytest.mark.parametrize(
    ("viewer", "relation", "audience"),
    [
        ("alice", {}, "anyone"),
        ("alice", {"follows": True}, "follower"),
        ("alice", {"blocks": True}, "anyone"),
        ("Bob", {}, "owner"),
    ],
)
def test_each_is_shown_what_they_may_see(
    pages: Any, viewer: str, relation: dict[str, bool], audience: str
) -> None:
    pages.users.verify_token.return_value = {"username": viewer, "expires_at": ""}
    pages.social_graph.get_relation.return_value = STRANGER | relation
    pages.social_graph.get_profile.return_value = STRANGER | COUNTS | relation
    answer = pages.get_links_of(a_request("/?tag=x&audience=owner&name=alice"), name="bOB")
    assert answer == {"err": "", "links": [], "next_token": "t"}
    query = {"tag": "x", "name": "bOB"}
    pages.links.get_links.assert_called_once_with("Bob", query, audience)
    pages.social_graph.get_relation.assert_called_once_with(viewer, "Bob")
    user = pages.get_user(a_request(), name="bOB")["user"]
    pages.links.count_links.assert_called_once_with("Bob", audience)
    assert user == {
        "Username": "Bob",
        "Name": "Bobby",
        "CreatedAt": "2026-01-01T00:00:00.000000Z",
        "Links": 5,
        "Followers": 3,
        "Following": 2,
        "Followed": "follows" in relation,
        "Blocked": "blocks" in relation,
    }


def test_who_is_not_there_and_who_has_blocked_are_the_same(pages: Any) -> None:
    """In words, and in what is asked of whom."""
    found = []
    for there, blocked in ((False, False), (True, True)):
        gone = errors.NotFound("no_such_user", "Nobody.", "username")
        pages.users.get_user.side_effect = [BOB] if there else gone
        pages.social_graph.get_relation.return_value = STRANGER | {"is_blocked": blocked}
        pages.social_graph.reset_mock()
        with pytest.raises(errors.NotFound) as caught:
            pages.get_links_of(a_request(), name="Bob")
        asked = pages.social_graph.mock_calls
        found.append((caught.value.args, asked))
    assert found[0] == found[1]
    assert pages.links.mock_calls == []


def test_name_that_nobody_can_have_is_nobody(pages: Any) -> None:
    pages.users.get_user.side_effect = errors.NotFound("no_such_user")
    pages.social_graph.get_profile.side_effect = errors.InvalidInput("invalid_username")
    with pytest.raises(errors.NotFound):
        pages.get_user(a_request(), name="no name")


@pytest.mark.parametrize("route", ["get_user", "get_links_of"])
def test_nobody_need_sign_in_where_readers_may_be_anonymous(pages: Any, route: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        getattr(pages, route)(a_request(token=""), name="bob")
    pages.anonymous_readers = True
    getattr(pages, route)(a_request(token=""), name="bob")
    relation = pages.social_graph.get_relation, pages.social_graph.get_profile
    assert [each.args for peer in relation for each in peer.call_args_list] == [("", "Bob")]
    told = pages.links.get_links if route == "get_links_of" else pages.links.count_links
    assert told.call_args.args[-1] == "anyone"


def test_bad_token_is_refused_also_where_readers_may_be_anonymous(pages: Any) -> None:
    pages.anonymous_readers = True
    pages.users.verify_token.side_effect = errors.Unauthenticated("access_denied")
    with pytest.raises(errors.Unauthenticated):
        pages.get_user(a_request(token="dlk_revoked"), name="bob")
    for headers in ({"Authorization": "Basic x"}, {"Access-Token": ""}):
        with pytest.raises(errors.Unauthenticated):
            pages.get_user(a_request(token="", headers=headers), name="bob")


def test_block_and_unblock_use_the_other_ones_own_spelling_and_are_audited(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "audit")
    assert gateway.block(a_request(method="POST", data={"blocked": "bob"})) == {"err": ""}
    gateway.social_graph.block.assert_called_once_with("alice", "Bob", "")
    assert gateway.unblock(a_request("/?blocked=bob", method="DELETE")) == {"err": ""}
    gateway.social_graph.unblock.assert_called_once_with("alice", "Bob")
    told = [(record.facts["event"], record.facts["actor"]) for record in caplog.records]  # type: ignore[attr-defined]
    assert told == [("blocked", "alice"), ("unblocked", "alice")]
    gateway.users.get_user.side_effect = errors.NotFound("no_such_user", "Nobody.", "username")
    with pytest.raises(errors.NotFound) as caught:
        gateway.block(a_request(method="POST", data={"blocked": "eve"}))
    assert (caught.value.code, caught.value.field) == ("no_such_user", "blocked")


def test_blocked_people_are_listed_for_the_caller(gateway: Any) -> None:
    gateway.social_graph.get_blocked.return_value = {"usernames": ["eve"], "next_token": ""}
    answer = gateway.get_blocked(a_request("/?page_size=3&username=bob"))
    assert answer == {"err": "", "blocked": {"eve": True}, "next_token": ""}
    gateway.social_graph.get_blocked.assert_called_once_with("alice", page_size=3)


def test_default_visibility_is_the_callers_own(gateway: Any) -> None:
    form = {"default_visibility": "private", "username": "bob"}
    assert gateway.update_me(a_request(method="PUT", data=form)) == {"err": ""}
    gateway.links.set_default_visibility.assert_called_once_with("alice", "private")
    with pytest.raises(errors.InvalidInput) as caught:
        gateway.update_me(a_request(method="PUT", data={"default_visibility": "secret"}))
    assert caught.value.code == "invalid_default_visibility"


def test_news_is_asked_for_the_caller(gateway: Any) -> None:
    gateway.news.get_news.return_value = {"events": [], "next_token": ""}
    answer = gateway.get_news(a_request("/?order=newest&page_size=20&username=bob"))
    assert answer == {"err": "", "events": [], "next_token": ""}
    gateway.news.get_news.assert_called_once_with("alice", page_size=20, order="newest")


def test_logout_revokes_the_token(gateway: Any) -> None:
    response = gateway.logout(a_request(token="", headers={"Authorization": "Bearer dlk_b"}))
    assert (response.get_data(), response.mimetype) == (b"OK", "text/plain")
    gateway.users.revoke_token.assert_called_once_with("dlk_b")


def test_home_is_json_for_a_program_and_a_page_for_a_browser(gateway: Any) -> None:
    answer = gateway.home(a_request(headers={"Accept": "*/*"}))
    assert answer.pop("version")
    assert answer == {
        "err": "",
        "name": "Delinkcious",
        "sign_in": f"{PUBLIC}/login",
        "api": f"{PUBLIC}/v1.0",
    }
    assert gateway.home(a_request(headers=BROWSER)).mimetype == "text/html"


def test_limits_that_the_configuration_lowers_hold_and_are_shown(gateway: Any) -> None:
    gateway.sizes = frozenset({"MAX_PAGE_SIZE": 20, **dict.fromkeys(LOWERED, 30)}.items())
    links = gateway.get_openapi(a_request(token=""))["paths"]["/v1.0/links"]
    shown = {each["name"]: each["schema"] for each in links["get"]["parameters"]}
    assert shown["page_size"]["maximum"] == 20
    assert shown["title_regex"]["maxLength"] == 30
    body = links["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["url"]["maxLength"] == 30
    assert "up to 30 characters" in gateway.get_docs(a_request(token="")).get_data(as_text=True)
    gateway.links.get_links.return_value = {"links": [], "next_token": ""}
    assert gateway.get_links(a_request("/?page_size=20"))
    with pytest.raises(errors.InvalidInput, match="from 1 to 20") as refusal:
        gateway.get_links(a_request("/?page_size=21"))
    assert refusal.value.code == "invalid_page_size"
    long = "https://example.com/" + 20 * "x"
    for code, handler, params in (
        ("regex_too_long", gateway.get_links, {"title_regex": 31 * "x"}),
        ("url_too_long", gateway.add_link, {"url": long}),
        ("invalid_changes", gateway.change_links, {"changes": 31 * [{}]}),
    ):
        with pytest.raises(errors.InvalidInput, match="30") as refusal:
            handler(a_request(method="POST", json=params))
        assert refusal.value.code == code
    gateway.delete_link(a_request(method="POST", json={"url": long}))  # it was added before
    gateway.links.delete_link.assert_called_once_with("alice", long, None)


LOWERED = ("MAX_REGEX_LENGTH", "MAX_URL_LENGTH", "MAX_BULK_CHANGES")


@pytest.mark.parametrize("readers", [True, False])
def test_description_says_where_nobody_need_be_signed_in(gateway: Any, readers: bool) -> None:
    gateway.anonymous_readers = readers
    paths = gateway.get_openapi(a_request(token=""))["paths"]
    assert ({} in paths["/v1.0/users/{name}"]["get"]["security"]) is readers
    assert {} not in paths["/v1.0/links"]["get"]["security"]


def test_docs_show_what_openapi_says(gateway: Any) -> None:
    document = gateway.get_openapi(a_request(token=""))
    assert document["servers"] == [{"url": PUBLIC}]
    page = gateway.get_docs(a_request(token=""))
    text = page.get_data(as_text=True)
    assert page.mimetype == "text/html"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"<b>{method.upper()}</b> <code>{path}</code>" in text
            assert f'id="{operation["operationId"]}"' in text


def test_docs_need_nothing_from_outside(gateway: Any) -> None:
    page = gateway.get_docs(a_request(token=""))
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    text = page.get_data(as_text=True)
    addresses = set(re.findall(r'(?:src|href|action)="([^"#]*)"', text))
    assert addresses == {"data:,", f"{PUBLIC}/", f"{PUBLIC}/openapi.json"}


def arrived(gateway: Any, onward: str = "") -> None:
    identity = {"provider": "p", "subject": "7", "login": "Alice", "name": "", "email": ""}
    profile = {"login": "Alice", "id": 7, "name": None, "email": None}
    gateway.sign_in.arrive.return_value = flow.Arrival(identity, profile, "ticket", onward)
    gateway.users.sign_in.return_value = {
        "username": "alice",
        "name": "",
        "email": "",
        "access_token": "dlk_a",
        "expires_at": "2026-12-22T10:34:00.000000Z",
    }


def test_program_gets_profile_and_token_as_json(gateway: Any) -> None:
    arrived(gateway)
    response = gateway.login_authorized(a_request(token=""))
    assert json.loads(response.get_data()) == {
        "err": "",
        "login": "Alice",
        "id": 7,
        "name": None,
        "email": None,
        "username": "alice",
        "access_token": "dlk_a",
        "expires_at": "2026-12-22T10:34:00.000000Z",
    }
    gateway.sign_in.forget.assert_called_once_with(response)


def test_browser_gets_a_page_with_the_token(gateway: Any) -> None:
    arrived(gateway, "/v1.0/links")
    response = gateway.login_authorized(a_request(token="", headers=BROWSER))
    text = response.get_data(as_text=True)
    assert response.mimetype == "text/html"
    assert "dlk_a" in text
    assert 'href="/v1.0/links"' in text
    gateway.sign_in.forget.assert_called_once_with(response)


def test_browser_reads_on_a_page_why_it_is_not_signed_in(gateway: Any) -> None:
    refusal = errors.InvalidInput("invalid_state", "Start again.", "state")
    gateway.sign_in.arrive.side_effect = refusal
    response = gateway.login_authorized(a_request(token="", headers=BROWSER))
    assert (response.status_code, response.mimetype) == (400, "text/html")
    response = gateway.login_authorized(a_request(token=""))
    assert (response.status_code, response.json["code"]) == (400, "invalid_state")
    assert gateway.sign_in.forget.call_count == 2
    gateway.users.sign_in.assert_not_called()


def test_login_departs(gateway: Any) -> None:
    gateway.sign_in.depart.return_value = away = Mock()
    assert gateway.login(a_request(token="")) is away


TOKEN = {
    "id": "7",
    "kind": "personal",
    "name": "ci",
    "scopes": ["read"],
    "created_at": "2026-11-22T10:34:00.000000Z",
    "last_used_at": "2026-11-22T10:34:00.000000Z",
    "expires_at": "2026-12-22T10:34:00.000000Z",
}
SHOWN = {
    "Id": "7",
    "Kind": "personal",
    "Name": "ci",
    "Scopes": ["read"],
    "CreatedAt": "2026-11-22T10:34:00.000000Z",
    "LastUsedAt": "2026-11-22T10:34:00.000000Z",
    "ExpiresAt": "2026-12-22T10:34:00.000000Z",
    "Current": False,
}


def test_a_token_is_made_and_shown_once(gateway: Any) -> None:
    gateway.users.add_token.return_value = {**TOKEN, "access_token": "dlk_new"}
    wish = {"name": "ci", "scopes": "read", "expires_in_days": "7", "username": "bob"}
    answer = gateway.add_token(a_request(method="POST", data=wish))
    assert answer == {"err": "", "token": SHOWN, "access_token": "dlk_new"}
    passed = {"name": "ci", "scopes": "read", "expires_in_days": 7}
    gateway.users.add_token.assert_called_once_with("alice", passed)
    gateway.users.get_tokens.return_value = [TOKEN]
    assert gateway.get_tokens(a_request()) == {"err": "", "tokens": [SHOWN]}


@pytest.mark.parametrize("scopes", [["read"], ["write", "read"], "write", " read , write "])
def test_scopes_of_a_token_are_a_list_or_a_text(gateway: Any, scopes: Any) -> None:
    gateway.users.add_token.return_value = {**TOKEN, "access_token": "dlk_new"}
    gateway.add_token(a_request(method="POST", json={"name": "ci", "scopes": scopes}))
    gateway.users.add_token.assert_called_once_with("alice", {"name": "ci", "scopes": scopes})


def test_tokens_end_one_by_one_or_all_of_a_kind(gateway: Any) -> None:
    gateway.users.delete_token.return_value = "session"
    gateway.users.delete_tokens.return_value = 3
    assert gateway.delete_tokens(a_request("/?id=7", method="DELETE")) == {"err": ""}
    gateway.users.delete_token.assert_called_once_with("alice", "7")
    assert gateway.delete_tokens(a_request("/?kind=session", method="DELETE")) == {"err": ""}
    gateway.users.delete_tokens.assert_called_once_with("alice", "session")


def test_me_says_who_calls_and_by_what(gateway: Any) -> None:
    gateway.users.get_profile.return_value = {
        "username": "alice",
        "name": "Alice",
        "email": "a@x.org",
        "created_at": "2026-11-22T10:34:00.000000Z",
        "identities": [{"provider": "github.com", "login": "Alice"}],
    }
    gateway.links.get_default_visibility.return_value = "private"
    answer = gateway.get_me(a_request("/?username=bob"))
    gateway.users.get_profile.assert_called_once_with("alice")
    gateway.links.get_default_visibility.assert_called_once_with("alice")
    assert answer["user"]["DefaultVisibility"] == "private"
    assert answer["user"]["Identities"] == [{"Provider": "github.com", "Login": "Alice"}]
    assert answer["token"] == {
        "Id": "",
        "Kind": "session",
        "Scopes": ["read", "write", "account"],
        "ExpiresAt": "",
    }


def test_an_account_is_removed_with_a_confirmation(gateway: Any) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        gateway.delete_me(a_request(method="DELETE"))
    assert (caught.value.code, caught.value.field) == ("missing_confirm", "confirm")
    assert gateway.delete_me(a_request("/?confirm=alice", method="DELETE")) == {"err": ""}
    gateway.users.remove_user.assert_called_once_with("alice", "alice")


def test_security_events_are_written_down_without_secrets(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "audit")
    arrived(gateway)
    gateway.login_authorized(a_request(token=""))
    gateway.sign_in.arrive.side_effect = errors.InvalidInput("invalid_state", "Start again.")
    gateway.login_authorized(a_request(token=""))
    gateway.users.add_token.return_value = {**TOKEN, "access_token": "dlk_new"}
    gateway.add_token(a_request(method="POST", data={"name": "ci"}))
    gateway.users.delete_token.return_value = "personal"
    gateway.delete_tokens(a_request("/?id=7", method="DELETE"))
    gateway.logout(a_request(method="POST"))
    gateway.delete_me(a_request("/?confirm=alice", method="DELETE"))
    lines = [record.facts for record in caplog.records]  # type: ignore[attr-defined]
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("signed_in", "ok"),
        ("sign_in_failed", "failed"),
        ("token_made", "ok"),
        ("token_revoked", "ok"),
        ("signed_out", "ok"),
        ("account_removed", "ok"),
    ]
    assert [line.get("actor") for line in lines] == ["alice", None, *["alice"] * 4]
    assert "dlk_" not in str(lines)
