"""What the flow asks of an identity provider, and what it gets."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Ticket:
    """One sign-in under way: what the browser carries to the provider and back."""

    provider: str
    state: str
    verifier: str
    nonce: str
    next: str = ""

    @property
    def challenge(self) -> str:
        """The verifier as PKCE shows it to the provider beforehand (RFC 7636, S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class Application:
    """Who we are at a provider, and where it sends people back to."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    timeout_seconds: float


@dataclass(frozen=True)
class Person:
    """Somebody for whom a provider vouches.

    ``subject`` never changes, the rest may. ``email`` is verified, or empty. ``admitted_as`` and
    ``groups`` are what a list of admitted people may name; ``profile`` is what they themselves
    are shown.
    """

    subject: str
    login: str
    name: str
    email: str
    admitted_as: str
    groups: frozenset[str]
    profile: dict[str, Any]


class Provider(Protocol):
    """An identity provider. Both methods are bounded in time, and raise ServiceErrors only."""

    @property
    def key(self) -> str:
        """What it is called in our addresses: ``github`` or ``oidc``."""

    @property
    def name(self) -> str:
        """Whose subjects they are; with the subject it names a person for ever."""

    @property
    def label(self) -> str:
        """What it is called on a page."""

    @property
    def application(self) -> Application:
        """Who we are there."""

    def address(self, ticket: Ticket) -> str:
        """Return the page to which a browser is sent to sign in."""

    def person(self, code: str, issuer: str, ticket: Ticket) -> Person:
        """Exchange the code that came back, and return who it is.

        ``issuer`` is the ``iss`` parameter that came with it (RFC 9207), or empty. Raises
        ``invalid_code``, ``unverified_email``, ``identity_provider_refused``, ``…_unavailable``,
        ``…_busy`` or ``…_timeout``.
        """


MAX_TEXT = 320  # what user_svc keeps of a text


def plain(value: Any) -> str | int | None:
    """Return what a profile may hold; texts lose what no database keeps, and their tails."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="ignore").decode()[:MAX_TEXT]
    return value if isinstance(value, int) else None


def plain_text(value: Any) -> str:
    """Return a text of a profile, empty where it is none."""
    return str(plain(value) or "") if isinstance(value, str) else ""
