"""Where the development identity provider runs: beside the gateway, or not at all."""

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import eventlet
from eventlet import wsgi
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider

from chassis import config
from gateway import addresses
from gateway.sign_in.development import CLIENT_ID, CLIENT_SECRET, HOST, Application
from gateway.sign_in.providers import Application as Registration
from gateway.sign_in.providers import Person, Ticket

if TYPE_CHECKING:
    from gateway.sign_in.github import GitHub


def wanted() -> bool:
    """Say whether sign-in goes here; refuse to start where it must not."""
    environment = config.one_of("ENVIRONMENT", "development", "production")
    if config.optional("OAUTH_CLIENT_ID") or config.optional("OIDC_CLIENT_ID"):
        return False
    if environment == "development":
        return True
    raise ConfigurationError(
        "OAUTH_CLIENT_ID and OIDC_CLIENT_ID are empty, and the development identity provider runs "
        "only in development"
    )


class DevelopmentProvider:
    """How the gateway signs people in here: as at GitHub, in whose place the server stands.

    What it takes to ask it, which is an eighth of all that the gateway imports, is imported for
    the first person who signs in, so that the system is there sooner.
    """

    key = "github"
    name = "development"
    label = "a name"

    def __init__(self) -> None:
        self.port = config.port("DEV_IDENTITY_PROVIDER_PORT")
        # The name by which the browser knows this machine, so that it sends our cookie on the
        # way back.
        known = urlsplit(addresses.public_url()).hostname
        self.host = known if known in ("localhost", HOST) else "localhost"
        self.application = Registration(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            redirect_uri=addresses.redirect_uri(),
            timeout_seconds=config.positive("OAUTH_TIMEOUT_SECONDS"),
        )

    def address(self, ticket: Ticket) -> str:
        """Return the page to which a browser is sent to sign in."""
        return self.github.address(ticket)

    def person(self, code: str, issuer: str, ticket: Ticket) -> Person:
        """Exchange the code that came back, and return who it is."""
        return self.github.person(code, issuer, ticket)

    @cached_property
    def github(self) -> "GitHub":
        """What asks the server, and knows its addresses."""
        from gateway.sign_in.github import GitHub

        return GitHub(
            name=self.name,
            label=self.label,
            authorize_url=f"http://{self.host}:{self.port}/login/oauth/authorize",
            token_url=f"http://{HOST}:{self.port}/login/oauth/access_token",
            api_url=f"http://{HOST}:{self.port}",
            application=self.application,
        )


class DevelopmentIdentityProvider(DependencyProvider):
    """Serve the provider beside the gateway, while it is wanted; inject whether it is."""

    server: Any = None
    socket: Any = None

    def setup(self) -> None:
        """Take the port, or refuse to start."""
        if wanted():
            self.socket = _listen(config.port("DEV_IDENTITY_PROVIDER_PORT"))

    def start(self) -> None:
        """Serve."""
        if self.socket is not None:
            application = Application(addresses.public_url(), addresses.redirect_uri())
            self.server = eventlet.spawn(
                wsgi.server,
                self.socket,
                application,
                debug=False,
                log_output=False,
                socket_timeout=10,
                max_size=64,
            )

    def stop(self) -> None:
        """Give the port back."""
        if self.server is not None:
            self.server.kill()
        if self.socket is not None:
            self.socket.close()

    kill = stop

    def get_dependency(self, worker_ctx: Any) -> bool:
        """Say whether people sign in here."""
        return self.socket is not None


def _listen(port: int) -> Any:
    try:
        # Not SO_REUSEPORT, eventlet's default: two processes would share the port in silence.
        return eventlet.listen((HOST, port), reuse_port=False)
    except OSError as exc:
        raise ConfigurationError(
            f"port {port} (DEV_IDENTITY_PROVIDER_PORT) cannot be used: {exc.strerror}"
        ) from None
