"""Pages: complete, escaped, and bound by a strict policy."""

import base64
import hashlib
import re
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from chassis import errors
from gateway import pages

PUBLIC = "https://links.example.org"
HOSTILE = "<script>alert('x')</script>\"&{username}"
SIGNED_IN: dict[str, Any] = {
    "username": "alice",
    "name": HOSTILE,
    "email": None,
    "access_token": "dlk_abc",
    "expires_at": "2026-12-22T10:34:00.000000Z",
}


def every_page() -> list[Response]:
    """Return each page that shows what others have said."""
    return [
        pages.signed_in(PUBLIC, SIGNED_IN, f"/{HOSTILE}"),
        pages.problem(PUBLIC, errors.PermissionDenied("sign_in_cancelled", HOSTILE)),
        pages.identity(PUBLIC, HOSTILE, HOSTILE),
    ]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("text/html", True),
        ("*/*", False),
        ("application/json", False),
        ("text/html;q=0, */*", False),
        ("text/*", False),
        (None, False),
    ],
)
def test_only_a_browser_wants_html(accept: str | None, wanted: bool) -> None:
    headers = {"Accept": accept} if accept else {}
    assert pages.wanted(Request(EnvironBuilder(headers=headers).get_environ())) is wanted


def test_pages_escape_what_they_show() -> None:
    for page in every_page():
        text = page.get_data(as_text=True)
        assert "<script>alert" not in text
        assert "{username}" in text


def test_pages_may_run_and_load_only_what_is_in_them() -> None:
    for page in every_page():
        text, policy = page.get_data(as_text=True), page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        for kind, tag in (("style", "style"), ("script", "script")):
            (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}';" in policy
        assert not re.search(r'(src|href|action)="(?!https://links\.example\.org/|data:,|/)', text)
        assert page.headers["Cache-Control"] == "no-store"
        assert "'unsafe" not in policy


def test_signed_in_page_has_the_token_in_every_command() -> None:
    text = pages.signed_in(PUBLIC, SIGNED_IN, "").get_data(as_text=True)
    commands = re.findall(r'<pre id="step-\d">(.*?)</pre>', text)
    assert len(commands) == 5
    assert all(
        command.startswith("curl -H &#34;Access-Token: dlk_abc&#34;") for command in commands
    )
    assert "22 December 2026, 10:34 UTC" in text
    assert "Continue" not in text


def test_signed_in_page_leads_on_to_where_one_came_from() -> None:
    text = pages.signed_in(PUBLIC, SIGNED_IN, "/v1.0/links?tag=a&b").get_data(as_text=True)
    assert '<a class="button" href="/v1.0/links?tag=a&amp;b">Continue</a>' in text


def test_problem_page_has_the_status_of_its_error() -> None:
    page = pages.problem(PUBLIC, errors.DeadlineExceeded("identity_provider_timeout", "Too slow."))
    assert page.status_code == 504
    assert "Too slow." in page.get_data(as_text=True)
    assert f'href="{PUBLIC}/login"' in page.get_data(as_text=True)


def test_identity_page_says_what_it_is() -> None:
    page = pages.identity(PUBLIC, "alice")
    assert "development identity provider" in page.get_data(as_text=True)
    assert f"form-action 'self' {PUBLIC}" in page.headers["Content-Security-Policy"]
    assert (page.status_code, pages.identity(PUBLIC, "", "No.").status_code) == (200, 400)


@pytest.mark.parametrize("development", [True, False])
def test_home_says_what_this_is_and_where_to_sign_in(development: bool) -> None:
    providers = {"github": "GitHub", "oidc": HOSTILE}
    text = pages.home(PUBLIC, providers, development=development).get_data(as_text=True)
    button = f'<a class="button" href="{PUBLIC}/login?provider='
    assert f'{button}github">Sign in with GitHub</a>' in text
    assert f'{button}oidc">Sign in with &lt;script&gt;' in text
    assert ("type any name" in text) is development
