"""Whose address counts, where trusted proxies stand between a client and us.

A proxy adds the address that it sees to the end of a header. So the header is read from its end,
for as long as the address before is one of our own proxies; what a client wrote itself stands
further to the left, and is not reached. Without trusted proxies the header is not read at all, and
of X-Forwarded-For and Forwarded only the one that our proxies are known to write.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nameko.exceptions import ConfigurationError

from chassis import config

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HEADERS = ("X-Forwarded-For", "Forwarded")
# Somebody at home has a /64 to choose addresses from.
_IPV6_PREFIX = 64
_FOR = re.compile(r"(?i)(?:^|;)[ \t]*for=(\"[^\"]*\"|[^;\" \t]*)[ \t]*(?=;|$)")
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+)(?::\d+)?")


class Proxies:
    """The networks of our own proxies, and the header that they write."""

    def __init__(self, networks: Sequence[Network] = (), header: str = HEADERS[0]) -> None:
        self._networks = networks
        self.header = header
        self._key = "HTTP_" + header.upper().replace("-", "_")

    def client(self, environ: dict[str, Any]) -> str:
        """Return the address of whoever sent a request: the last that is not a proxy of ours."""
        peer: str = environ["REMOTE_ADDR"]
        if not self._networks:
            return peer
        found = _address(peer)
        for entry in reversed(environ.get(self._key, "").split(",")):
            if found is None or not self._trusts(found):
                break
            before = _address(self._named(entry))
            if before is None:  # what a trusted proxy does not know, nobody knows better
                break
            found = before
        return str(found) if found is not None else peer

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _named(self, entry: str) -> str:
        if self.header != "Forwarded":
            return entry
        match = _FOR.search(entry)
        return match[1].strip('"') if match else ""


@lru_cache(maxsize=1024)
def network(address: str) -> str:
    """Return what one client is known by: its address, or the /64 that its IPv6 address is in."""
    found = _address(address)
    if not isinstance(found, ipaddress.IPv6Address):
        return str(found) if found else address
    return str(ipaddress.IPv6Network((found, _IPV6_PREFIX), strict=False))


def _address(text: str) -> Address | None:
    text = text.strip(" \t")
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def from_config(networks_key: str, header_key: str) -> Proxies:
    """Return the proxies that the configuration names: networks with commas between them."""
    names = str(config.optional(networks_key, "")).replace(",", " ").split()
    try:
        networks = [ipaddress.ip_network(name) for name in names]
    except ValueError as error:
        raise ConfigurationError(f"{networks_key} must be like 10.0.0.0/8: {error}") from None
    return Proxies(networks, config.one_of(header_key, *HEADERS))
