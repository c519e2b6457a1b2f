"""Which names the services would have to look up: where all is on this machine, there are none."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from embedded.ports import LOOPBACK
from embedded.settings import Settings

HERE = (LOOPBACK, "::1", "localhost")
# eventlet's own resolver, which lets other work go on while a name is looked up, is a quarter of
# all modules that a service imports: 0.1 s and 8 MB in each. This is eventlet's switch for it.
WITHOUT_RESOLVER = {"EVENTLET_NO_GREENDNS": "yes"}


def environment(settings: Settings) -> dict[str, str]:
    """Return what services are to find in their environment besides ours."""
    return {} if any(host not in HERE for host in _hosts(settings)) else WITHOUT_RESOLVER


def _hosts(settings: Settings) -> Iterator[str]:
    """Return the host of every address in the configuration that is in use."""
    others = ("LOGGING",) if settings.get("OAUTH_CLIENT_ID") else ("LOGGING", "OAUTH_")
    for key, value in settings.all().items():
        if not key.startswith(others):
            yield from _hosts_in(value)


def _hosts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _hosts_in(each)
    elif isinstance(value, str):
        for address in value.split(","):
            if "//" in address and (host := urlsplit(address.strip()).hostname):
                yield host
