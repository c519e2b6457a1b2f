"""Ports of this machine."""

import random
import socket

LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = (10240, 32000)


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on the port, as a server would find out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        # Connections of an earlier server that still linger are no obstacle.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port that is free now, and is none that the system gives to outgoing connections."""
    while not is_free(LOOPBACK, port := random.randrange(*BELOW_EPHEMERAL)):
        pass
    return port
