"""Valkey: the news feeds."""

from collections.abc import Sequence
from pathlib import Path

from embedded import binaries
from embedded.server import HOST, Server, first_line

# No password: this is a development server that only this machine can reach. What is evicted
# would be missing from a feed without a trace, so a full server refuses to write instead.
SETTINGS = {
    "bind": HOST,
    "protected-mode": "yes",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class ValkeyServer(Server):
    """The Valkey server, with its append-only file under ``folder``."""

    name = "Valkey"

    def command(self) -> Sequence[str | Path]:
        """Return the program and its arguments."""
        settings = {"port": str(self.port), "dir": str(self.folder), **SETTINGS}
        arguments = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return [binaries.valkey_server(), *arguments]

    def answers(self) -> bool:
        """Tell whether the server has loaded its data."""
        return first_line(self.port, b"PING\r\n") == b"+PONG\r\n"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://{HOST}:{self.port}/0"
