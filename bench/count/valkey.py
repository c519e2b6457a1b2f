"""Every command that clients send to Valkey, as its MONITOR shows it."""

from uuid import uuid4

from redis import Redis

from embedded.ports import LOOPBACK

SECONDS = 20.0
NOBODY = "nobody"  # whom health checks ask for


class Monitor:
    """Sees the commands of all clients."""

    def __init__(self, port: int) -> None:
        self._redis = Redis(host=LOOPBACK, port=port, socket_timeout=SECONDS)
        self._monitor = self._redis.monitor().__enter__()  # type: ignore[no-untyped-call]
        self.commands()

    def close(self) -> None:
        """See no more."""
        self._monitor.__exit__()
        self._redis.close()

    def commands(self) -> list[str]:
        """Return the commands since the last call; what a script does is part of its command."""
        found = []
        mark = uuid4().hex
        self._redis.echo(mark)
        while mark not in (seen := self._monitor.next_command())["command"]:
            if seen["client_type"] != "lua" and f" {NOBODY} " not in seen["command"]:
                found.append(str(seen["command"]))
        return found
