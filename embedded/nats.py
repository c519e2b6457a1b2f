"""NATS with JetStream: the bus, and the log of events."""

from collections.abc import Sequence
from pathlib import Path

from embedded import binaries
from embedded.server import HOST, Server, first_line

# JetStream acknowledges what it has not yet written to the disk, unless it syncs always.
# No password: this is a development server that only this machine can reach.
CONFIGURATION = """\
listen: {host}:{port}
max_payload: 1MB
jetstream {{
  store_dir: {store}
  sync_interval: always
}}
"""


class NatsServer(Server):
    """The NATS server, with its streams under ``folder``."""

    name = "NATS"

    def prepare(self) -> None:
        """Write the configuration file."""
        super().prepare()
        store = f'"{self.folder}"'
        self._file.write_text(CONFIGURATION.format(host=HOST, port=self.port, store=store))

    def command(self) -> Sequence[str | Path]:
        """Return the program and its arguments."""
        return [binaries.nats_server(), "--config", self._file]

    def answers(self) -> bool:
        """Tell whether the server greets."""
        return first_line(self.port).startswith(b"INFO ")

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{HOST}:{self.port}"

    @property
    def _file(self) -> Path:
        return self.folder / "nats.conf"
