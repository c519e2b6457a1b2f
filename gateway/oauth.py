"""Sign-in: the authorization-code flow, bound to one browser by ``state``, PKCE and a cookie."""

import hmac
import logging
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from eventlet.semaphore import Semaphore
from itsdangerous import BadData, URLSafeTimedSerializer
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider
from oauthlib.oauth2 import WebApplicationClient
from werkzeug.wrappers import Request, Response

from chassis import config, errors
from gateway import addresses, devidp_server
from gateway.provider import Provider

_log = logging.getLogger(__name__)

COOKIE = "delinkcious_sign_in"
COOKIE_SECONDS = 600
AT_ONCE = 16  # sign-ins that may wait for a slow provider, so that it cannot take every worker
PUBLIC_FIELDS = (
    "login",
    "id",
    "name",
    "email",
    "avatar_url",
    "html_url",
    "bio",
    "company",
    "location",
    "blog",
)
MAX_TEXT = 320  # what user_svc keeps of a text
# A path of our own: not //elsewhere, not a backslash that browsers read as a slash.
OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,511}")


@dataclass(frozen=True)
class Arrival:
    """Someone whom the provider has named: for us, for them, and where they wanted to go."""

    identity: dict[str, str]
    profile: dict[str, Any]
    next: str


class SignIn:
    """The two halves of the flow: away to the provider, and back."""

    def __init__(self, provider: Provider, secret: str) -> None:
        self.provider = provider
        self.signer = URLSafeTimedSerializer(secret, salt="delinkcious sign-in")
        self.slots = Semaphore(AT_ONCE)
        public = urlsplit(provider.redirect_uri)
        self.cookie_path = public.path.removesuffix("/authorized")
        self.secure = public.scheme == "https"

    def depart(self, request: Request) -> Response:
        """Send a browser to the provider, with a cookie by which we know it again."""
        client = WebApplicationClient(self.provider.client_id)
        state, verifier = secrets.token_urlsafe(32), client.create_code_verifier(64)
        challenge = client.create_code_challenge(verifier, "S256")
        onward = request.args.get("next", "")
        ticket = {
            "state": state,
            "verifier": verifier,
            "next": onward if OWN_PATH.fullmatch(onward) else "",
        }
        address = self.provider.address(state, challenge)
        response = Response(status=302, headers={"Location": address})
        self._set_cookie(response, str(self.signer.dumps(ticket)), COOKIE_SECONDS)
        return response

    def arrive(self, request: Request) -> Arrival:
        """Take a browser back: check that it left from here, and ask the provider who it is.

        Raises ``invalid_state``, ``sign_in_cancelled``, ``missing_code``, ``sign_in_busy``, and
        what ``Provider.profile`` raises.
        """
        ticket = self._ticket(request)
        if "error" in request.args:
            raise self._refusal(request.args["error"])
        code = request.args.get("code", "")
        if not code:
            raise errors.InvalidInput("missing_code", "The provider sent no code.", "code")
        given = self._profile(code, ticket["verifier"])
        profile = {name: _plain(given.get(name)) for name in PUBLIC_FIELDS}
        return Arrival(
            {
                "provider": self.provider.name,
                "subject": str(profile["id"]),
                "login": str(profile["login"]),
                "name": str(profile["name"] or ""),
                "email": str(profile["email"] or ""),
            },
            profile,
            ticket["next"],
        )

    def forget(self, response: Response) -> Response:
        """Take the cookie away: each is good for one sign-in."""
        self._set_cookie(response, "", 0)
        return response

    def _ticket(self, request: Request) -> dict[str, str]:
        try:
            ticket = self.signer.loads(request.cookies.get(COOKIE, ""), max_age=COOKIE_SECONDS)
        except BadData:
            ticket = {}
        given = request.args.get("state", "").encode()
        if not hmac.compare_digest(ticket.get("state", "").encode(), given) or not given:
            start = self.provider.redirect_uri.removesuffix("/authorized")
            raise errors.InvalidInput(
                "invalid_state",
                f"This sign-in was not begun in this browser, or is too old: start at {start}.",
                "state",
            )
        return ticket

    def _refusal(self, error: str) -> errors.ServiceError:
        if error == "access_denied":
            return errors.PermissionDenied("sign_in_cancelled", "You have cancelled the sign-in.")
        _log.error("the identity provider refuses this application: %.80r", error)
        return errors.Unavailable(
            "identity_provider_refused",
            "The identity provider does not accept this application; tell whoever runs it.",
        )

    def _profile(self, code: str, verifier: str) -> dict[str, Any]:
        if not self.slots.acquire(blocking=False):
            raise errors.Unavailable("sign_in_busy", "Too many people are signing in: try again.")
        try:
            return self.provider.profile(code, verifier)
        finally:
            self.slots.release()

    def _set_cookie(self, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            COOKIE,
            value,
            max_age=seconds,
            path=self.cookie_path,
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )


def _plain(value: Any) -> str | int | None:
    """Return what a public field may hold; texts lose what no database keeps, and their tails."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="ignore").decode()[:MAX_TEXT]
    return value if isinstance(value, int) else None


class OAuth(DependencyProvider):
    """Inject the sign-in flow of the configured provider, or of the development one."""

    sign_in: SignIn

    def setup(self) -> None:
        """Read the configuration; raise ConfigurationError where nobody could sign in safely."""
        self.sign_in = SignIn(provider_from_config(), session_secret())

    def get_dependency(self, worker_ctx: Any) -> SignIn:
        """Return the flow."""
        return self.sign_in


def provider_from_config() -> Provider:
    """Return the provider that the configuration names, or the development one."""
    if devidp_server.wanted():
        return devidp_server.provider()
    base, api = addresses.secured("OAUTH_BASE_URL"), addresses.secured("OAUTH_API_URL")
    return Provider(
        name=str(urlsplit(base).hostname),
        authorize_url=f"{base}/login/oauth/authorize",
        token_url=f"{base}/login/oauth/access_token",
        api_url=api,
        client_id=config.text("OAUTH_CLIENT_ID"),
        client_secret=config.text("OAUTH_CLIENT_SECRET"),
        redirect_uri=addresses.redirect_uri(),
        timeout_seconds=config.positive("OAUTH_TIMEOUT_SECONDS"),
    )


def session_secret() -> str:
    """Return the key that signs cookies; in development, where none is set, one for this run."""
    secret = str(config.optional("SESSION_SECRET", ""))
    if secret or config.text("ENVIRONMENT") == "development":
        return secret or secrets.token_urlsafe(32)
    raise ConfigurationError("SESSION_SECRET is empty: production needs a long random text")
