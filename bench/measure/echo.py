"""The smallest service there can be: what a call to it costs is the bus."""

from nameko.rpc import rpc


class EchoService:
    """Give back what it is given."""

    name = "bench_echo"

    @rpc
    def echo(self, value: str) -> str:
        """Give it back."""
        return value
