"""GitHub, GitHub Enterprise, or a server with GitHub's endpoints."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from requests_oauthlib import OAuth2Session

from gateway.sign_in import exchange
from gateway.sign_in.providers import Application, Person, Ticket, plain, plain_text

SCOPE = "read:user user:email"
SCOPE_OF_MEMBERSHIPS = "read:org"
PROFILE = (
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


@dataclass(frozen=True)
class GitHub:
    """Where GitHub is, for the browser and for us.

    ``organizations`` are those of which we ask whether a person is a member: none, and we do not
    ask for the right to know.
    """

    name: str
    label: str
    authorize_url: str
    token_url: str
    api_url: str
    application: Application
    organizations: tuple[str, ...] = ()
    key: str = "github"

    def address(self, ticket: Ticket) -> str:
        """Return the page to which a browser is sent to sign in."""
        scope = f"{SCOPE} {SCOPE_OF_MEMBERSHIPS}" if self.organizations else SCOPE
        return exchange.page(self.application, self.authorize_url, scope, ticket)

    def person(self, code: str, issuer: str, ticket: Ticket) -> Person:
        """Exchange the code, and return the person: ``/user``, with a verified ``email``.

        GitHub's token is used for this alone, and forgotten.
        """
        ours = self.application
        with (
            exchange.bounded(ours.timeout_seconds),
            exchange.session(ours, self.token_url, self.api_url) as session,
        ):
            session.fetch_token(
                exchange.as_https(self.token_url),
                code=code,
                code_verifier=ticket.verifier,
                client_secret=ours.client_secret,
                include_client_id=True,
                timeout=ours.timeout_seconds,
            )
            user = self._get(session, "/user")
            if not _is_person(user):
                raise ValueError("/user is no person")
            email = _verified(self._get(session, "/user/emails", missing=[]))
            groups = frozenset(name for name in self.organizations if self._joined(session, name))
            return _person(user | {"email": email}, groups)

    def _joined(self, session: OAuth2Session, organization: str) -> bool:
        path = f"/user/memberships/orgs/{quote(organization, safe='')}"
        membership = self._get(session, path, missing={})
        return isinstance(membership, dict) and membership.get("state") == "active"

    def _get(self, session: OAuth2Session, path: str, **missing: Any) -> Any:
        timeout = self.application.timeout_seconds
        response = exchange.read(session, self.api_url + path, timeout=timeout)
        # What we may not read, or what is not there, GitHub answers with 403 or 404.
        if missing and response.status_code in (403, 404):
            return missing["missing"]
        response.raise_for_status()
        return response.json()


def at(base_url: str, api_url: str, application: Application, organizations: Any = ()) -> GitHub:
    """Return the GitHub, or GitHub Enterprise, with these base addresses."""
    host = str(urlsplit(base_url).hostname)
    return GitHub(
        name=host,
        label="GitHub" if host == "github.com" else host,
        authorize_url=f"{base_url}/login/oauth/authorize",
        token_url=f"{base_url}/login/oauth/access_token",
        api_url=api_url,
        application=application,
        organizations=tuple(organizations),
    )


def _person(user: dict[str, Any], groups: frozenset[str]) -> Person:
    return Person(
        subject=str(user["id"]),
        login=plain_text(user["login"]),
        name=plain_text(user.get("name")),
        email=plain_text(user["email"]),
        admitted_as=user["login"].lower(),
        groups=groups,
        profile={name: plain(user.get(name)) for name in PROFILE},
    )


def _is_person(user: Any) -> bool:
    """A numeric id and a login are what we need; a name may be null."""
    return (
        isinstance(user, dict)
        and type(user.get("id")) is int
        and isinstance(user.get("login"), str)
        and bool(user["login"])
    )


def _verified(emails: Any) -> str | None:
    """Return the address that is primary and verified, if there is one."""
    if not isinstance(emails, list):
        raise ValueError("/user/emails is no list")
    for entry in emails:
        if isinstance(entry, dict) and entry.get("primary") and entry.get("verified") is True:
            return str(entry.get("email") or "") or None
    return None
