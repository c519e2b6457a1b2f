"""Sign-in as the configuration has it: which providers there are, and who is admitted."""

import secrets
from typing import Any

from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider

from chassis import config
from gateway import addresses
from gateway.sign_in import development_server
from gateway.sign_in.admission import Admission, listed
from gateway.sign_in.flow import SignIn
from gateway.sign_in.providers import Application, Provider

MOST_ORGANIZATIONS = 20  # each is a request of its own at GitHub


class OAuth(DependencyProvider):
    """Inject the sign-in flow of the configured providers, or of the development one."""

    sign_in: SignIn

    def setup(self) -> None:
        """Read the configuration; raise ConfigurationError where nobody could sign in safely."""
        admission = _admission()
        self.sign_in = SignIn(_providers(admission), _session_secret(), admission)

    def get_dependency(self, worker_ctx: Any) -> SignIn:
        """Return the flow."""
        return self.sign_in


def _providers(admission: Admission) -> list[Provider]:
    """Return the providers that the configuration names, or the development one.

    Only what these need is imported: the keys of OpenID Connect alone are a hundred modules.
    """
    if development_server.wanted():
        return [development_server.DevelopmentProvider()]
    found: list[Provider] = []
    if config.optional("OAUTH_CLIENT_ID"):
        from gateway.sign_in import github

        found.append(
            github.at(
                addresses.secured("OAUTH_BASE_URL"),
                addresses.secured("OAUTH_API_URL"),
                _application("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", addresses.redirect_uri()),
                sorted(admission.organizations),
            )
        )
    if config.optional("OIDC_CLIENT_ID"):
        from gateway.sign_in.oidc import OpenIdProvider

        scope = config.text("OIDC_SCOPE")
        if "openid" not in scope.split():
            raise ConfigurationError(f"OIDC_SCOPE must have openid in it, not {scope!r}")
        found.append(
            OpenIdProvider(
                addresses.secured("OIDC_ISSUER_URL", slash=True),
                _application(
                    "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", f"{addresses.redirect_uri()}/oidc"
                ),
                scope,
                str(config.optional("OIDC_LABEL", "")),
            )
        )
    return found


def _application(id_key: str, secret_key: str, redirect_uri: str) -> Application:
    return Application(
        client_id=config.text(id_key),
        client_secret=config.text(secret_key),
        redirect_uri=redirect_uri,
        timeout_seconds=config.positive("OAUTH_TIMEOUT_SECONDS"),
    )


def _admission() -> Admission:
    organizations = _listed("ALLOWED_ORGANIZATIONS")
    if len(organizations) > MOST_ORGANIZATIONS:
        raise ConfigurationError(
            f"ALLOWED_ORGANIZATIONS names {len(organizations)}: more than {MOST_ORGANIZATIONS}"
        )
    return Admission(_listed("ALLOWED_LOGINS"), organizations, _listed("ALLOWED_EMAIL_DOMAINS"))


def _listed(key: str) -> frozenset[str]:
    text = str(config.optional(key, ""))
    entries = listed(text)
    # A list that was meant and names nobody must not admit everybody.
    if text.strip() and not entries:
        raise ConfigurationError(f"{key} names nobody: {text!r}")
    return entries


def _session_secret() -> str:
    """Return the key that signs cookies; in development, where none is set, one for this run."""
    secret = str(config.optional("SESSION_SECRET", ""))
    if secret or config.text("ENVIRONMENT") == "development":
        return secret or secrets.token_urlsafe(32)
    raise ConfigurationError("SESSION_SECRET is empty: production needs a long random text")
