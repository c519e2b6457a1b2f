"""Addresses are checked when the gateway starts, not when somebody signs in."""

import pytest
from nameko import config
from nameko.exceptions import ConfigurationError

from gateway import addresses


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("http://localhost:5000", "http://localhost:5000"),
        ("https://links.example.org/", "https://links.example.org"),
        ("https://example.org/links/", "https://example.org/links"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_public_url_loses_the_slash_at_its_end(given: str, read: str) -> None:
    with config.patch({"PUBLIC_URL": given}):
        assert addresses.redirect_uri() == f"{read}/login/authorized"


@pytest.mark.parametrize(
    "given",
    [
        "localhost:5000",
        "ftp://example.org",
        "https://",
        "https://example.org/?a=b",
        "https://example.org/#a",
        "https://me:secret@example.org",
        'https://example.org/"onclick',
        "https://example.org/\nSet-Cookie:a",
        "",
    ],
)
def test_what_is_no_address_stops_the_start(given: str) -> None:
    with config.patch({"PUBLIC_URL": given}), pytest.raises(ConfigurationError, match="PUBLIC_URL"):
        addresses.public_url()


@pytest.mark.parametrize("given", ["https://github.com", "http://127.0.0.1:1", "http://localhost"])
def test_secrets_go_over_https_or_stay_on_this_machine(given: str) -> None:
    with config.patch({"OAUTH_BASE_URL": given}):
        assert addresses.secured("OAUTH_BASE_URL") == given


@pytest.mark.parametrize(
    "given", ["http://github.example.org", "http://127.0.0.1.example.org", "http://10.0.0.1"]
)
def test_secrets_do_not_go_over_http(given: str) -> None:
    with (
        config.patch({"OAUTH_BASE_URL": given}),
        pytest.raises(ConfigurationError, match="OAUTH_BASE_URL must be https"),
    ):
        addresses.secured("OAUTH_BASE_URL")
