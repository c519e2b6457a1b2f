"""Addresses of the configuration, checked when the gateway starts."""

import re

from nameko.exceptions import ConfigurationError

from chassis import config

_WEB_ADDRESS = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?(/[!-~]*)?")
_THIS_MACHINE = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")


def web_address(key: str, *, slash: bool = False) -> str:
    """Return an http or https address; raise ConfigurationError.

    It loses a slash at its end unless ``slash`` says that this is part of it.
    """
    address = config.text(key) if slash else config.text(key).rstrip("/")
    match = _WEB_ADDRESS.fullmatch(address)
    if not match or set(address) & set("?#\"'<>\\"):
        raise ConfigurationError(f"{key} must be like https://example.org, not {address!r}")
    return address


def secured(key: str, *, slash: bool = False) -> str:
    """Return a web address to which secrets may go: https, or this machine."""
    address = web_address(key, slash=slash)
    match = _WEB_ADDRESS.fullmatch(address)
    if match and (address.startswith("https:") or _THIS_MACHINE.fullmatch(match["host"])):
        return address
    raise ConfigurationError(f"{key} must be https://…, because secrets go there: {address!r}")


def public_url() -> str:
    """Return how people reach the gateway."""
    return web_address("PUBLIC_URL")


def redirect_uri() -> str:
    """Return where the identity provider sends people back to; never taken from a request."""
    return f"{public_url()}/login/authorized"
