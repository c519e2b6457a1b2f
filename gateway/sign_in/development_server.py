"""Where the development identity provider runs: beside the gateway, or not at all."""

from typing import Any
from urllib.parse import urlsplit

import eventlet
from eventlet import wsgi
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider

from chassis import config
from gateway import addresses
from gateway.sign_in.development import CLIENT_ID, CLIENT_SECRET, HOST, Application
from gateway.sign_in.github import GitHub
from gateway.sign_in.providers import Application as Registration


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


def provider() -> GitHub:
    """Return how the gateway signs people in here."""
    port = config.port("DEV_IDENTITY_PROVIDER_PORT")
    # The name by which the browser knows this machine, so that it sends our cookie on the way back.
    known = urlsplit(addresses.public_url()).hostname
    host = known if known in ("localhost", HOST) else "localhost"
    return GitHub(
        name="development",
        label="a name",
        authorize_url=f"http://{host}:{port}/login/oauth/authorize",
        token_url=f"http://{HOST}:{port}/login/oauth/access_token",
        api_url=f"http://{HOST}:{port}",
        application=Registration(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            redirect_uri=addresses.redirect_uri(),
            timeout_seconds=config.positive("OAUTH_TIMEOUT_SECONDS"),
        ),
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
