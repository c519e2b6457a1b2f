"""Sign-in: the authorization-code flow, bound to one browser by ``state``, PKCE and a cookie.

To the letter of RFC 9700 (Best Current Practice for OAuth 2.0 Security).
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from eventlet.semaphore import Semaphore
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Request, Response

from chassis import errors
from gateway.sign_in.admission import Admission
from gateway.sign_in.providers import Provider, Ticket

_log = logging.getLogger(__name__)

COOKIE = "delinkcious_sign_in"
COOKIE_SECONDS = 600
AT_ONCE = 16  # sign-ins that may wait for a slow provider, so that it cannot take every worker
# A path of our own: not //elsewhere, not a backslash that browsers read as a slash.
OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,511}")
# What a provider says of itself (RFC 6749, 4.1.2.1), not of the person or of us.
OUT_OF_ORDER = ("server_error", "temporarily_unavailable")


@dataclass(frozen=True)
class Arrival:
    """Someone whom a provider has named: for us, for them, and where they wanted to go.

    ``ticket`` names this one sign-in: user_svc lets it in once.
    """

    identity: dict[str, str]
    profile: dict[str, Any]
    ticket: str
    next: str


class SignIn:
    """The two halves of the flow: away to a provider, and back."""

    def __init__(self, providers: Sequence[Provider], secret: str, admission: Admission) -> None:
        self.providers = {provider.key: provider for provider in providers}
        self.signer = URLSafeTimedSerializer(secret, salt="delinkcious sign-in")
        self.admission = admission
        self.slots = Semaphore(AT_ONCE)
        public = urlsplit(providers[0].application.redirect_uri)
        self.cookie_path = public.path.partition("/login/")[0] + "/login"
        self.start = public._replace(path=self.cookie_path).geturl()
        self.secure = public.scheme == "https"

    def labels(self) -> dict[str, str]:
        """Return what each provider is called on a page, by its key."""
        return {key: provider.label for key, provider in self.providers.items()}

    def depart(self, request: Request) -> Response:
        """Send a browser to the provider, with a cookie by which we know it again.

        Raises ``invalid_provider``, ``sign_in_busy``, and what ``Provider.address`` raises.
        """
        onward = request.args.get("next", "")
        ticket = Ticket(
            provider=self._chosen(request.args.get("provider", "")).key,
            state=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            nonce=secrets.token_urlsafe(32),
            next=onward if OWN_PATH.fullmatch(onward) else "",
        )
        with self._slot():
            address = self.providers[ticket.provider].address(ticket)
        response = Response(status=302, headers={"Location": address})
        self._set_cookie(response, str(self.signer.dumps(asdict(ticket))), COOKIE_SECONDS)
        return response

    def arrive(self, request: Request, provider: str = "") -> Arrival:
        """Take a browser back: check that it left from here, and ask the provider who it is.

        ``provider`` is whose address it came back to, by default the first one's. Raises
        ``invalid_state``, ``sign_in_cancelled``, ``missing_code``, ``sign_in_busy``,
        ``not_admitted``, and what ``Provider.person`` raises.
        """
        asked = self._chosen(provider)
        ticket = self._ticket(request, asked)
        if "error" in request.args:
            raise _refusal(request.args["error"])
        code = request.args.get("code", "")
        if not code:
            raise errors.InvalidInput("missing_code", "The provider sent no code.", "code")
        with self._slot():
            person = asked.person(code, request.args.get("iss", ""), ticket)
        self.admission.check(person)
        return Arrival(
            {
                "provider": asked.name,
                "subject": person.subject,
                "login": person.login,
                "name": person.name,
                "email": person.email,
            },
            person.profile,
            hashlib.sha256(ticket.state.encode()).hexdigest(),
            ticket.next,
        )

    def forget(self, response: Response) -> Response:
        """Take the cookie away: each is good for one sign-in."""
        self._set_cookie(response, "", 0)
        return response

    def _chosen(self, key: str) -> Provider:
        """Return the provider of this key; with none, the first, which GitHub is if it is there."""
        key = key or next(iter(self.providers))
        if key in self.providers:
            return self.providers[key]
        known = " or ".join(self.providers)
        raise errors.InvalidInput("invalid_provider", f"The provider is {known}.", "provider")

    def _ticket(self, request: Request, provider: Provider) -> Ticket:
        """Return the ticket of this browser, if it is for this provider and this ``state``.

        Each provider sends people back to an address of its own, so that one cannot pass for
        another (RFC 9700, 4.4).
        """
        try:
            found = self.signer.loads(request.cookies.get(COOKIE, ""), max_age=COOKIE_SECONDS)
            ticket = Ticket(**found)
        except (BadData, TypeError):
            ticket = Ticket("", "", "", "")
        given = request.args.get("state", "").encode()
        same = hmac.compare_digest(ticket.state.encode(), given)
        if not given or not same or ticket.provider != provider.key:
            raise errors.InvalidInput(
                "invalid_state",
                f"This sign-in began in another browser, or is too old: start at {self.start}.",
                "state",
            )
        return ticket

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self.slots.acquire(blocking=False):
            raise errors.Unavailable("sign_in_busy", "Too many people are signing in: try again.")
        try:
            yield
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


def _refusal(error: str) -> errors.ServiceError:
    if error == "access_denied":
        return errors.PermissionDenied("sign_in_cancelled", "You have cancelled the sign-in.")
    if error in OUT_OF_ORDER:
        return errors.Unavailable(
            "identity_provider_unavailable", "The identity provider does not work at the moment."
        )
    _log.error("the identity provider refuses this application: %.80r", error)
    return errors.Unavailable(
        "identity_provider_refused",
        "The identity provider does not accept this application; tell whoever runs it.",
    )
