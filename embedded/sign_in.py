"""Sign in as a browser would, at the development identity provider, to get an access token."""

from typing import Any
from urllib.parse import urljoin

import requests

from embedded.errors import CannotStart
from embedded.settings import Settings

SECONDS = 10


def access_token(settings: Settings, name: str) -> str:
    """Return an access token for a name; raise CannotStart."""
    if not name:
        raise CannotStart("who? For example: make token USER=alice")
    if settings.get("OAUTH_CLIENT_ID"):
        raise CannotStart(f"sign-in is at {settings.get('OAUTH_BASE_URL')} here: use a browser")
    url = str(settings.get("PUBLIC_URL"))
    try:
        return _sign_in(url, name)
    except requests.ConnectionError:
        raise CannotStart(f"nothing answers at {url}: start the system with 'make run'") from None
    except requests.RequestException as error:
        raise CannotStart(f"signing in failed: {error}") from None


def _sign_in(url: str, name: str) -> str:
    with requests.Session() as browser:
        browser.trust_env = False  # a proxy has no business on this machine
        browser.headers["Accept"] = "application/json"
        away = browser.get(f"{url}/login", allow_redirects=False, timeout=SECONDS)
        provider = _redirection(away, f"signing in failed: {url}/login does not lead anywhere")
        back = browser.post(provider, data={"login": name}, allow_redirects=False, timeout=SECONDS)
        home = _redirection(back, f"the identity provider does not take {name!r} for a name")
        profile: dict[str, Any] = browser.get(home, timeout=SECONDS).json()
        if "access_token" not in profile:
            raise CannotStart(f"signing in failed: {profile.get('detail', profile)}")
        return str(profile["access_token"])


def _redirection(answer: requests.Response, otherwise: str) -> str:
    if not answer.is_redirect:
        raise CannotStart(f"{otherwise} (status {answer.status_code})")
    return urljoin(answer.url, answer.headers["Location"])
