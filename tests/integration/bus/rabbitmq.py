"""A RabbitMQ server for the tests, where Debian's package is installed."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amqp import Connection

from embedded import ports
from tests.processes import until

START_SECONDS = 60.0


def installed() -> bool:
    """Say whether there is a server to start."""
    return shutil.which("rabbitmq-server") is not None


@contextmanager
def running() -> Iterator[str]:
    """Start a server of our own on free ports; it is gone in the end, with all its data."""
    folder = Path(tempfile.mkdtemp(prefix="delinkcious-rabbitmq-"))
    port = ports.free_port()
    env = {
        **os.environ,
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"delinkcious-{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(ports.free_port()),
        "ERL_EPMD_PORT": str(ports.free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }
    # As root, Debian's script becomes the user rabbitmq and drops the environment.
    user = "rabbitmq" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, user)
    with (folder / "out").open("wb") as log:
        server = subprocess.Popen(
            ["rabbitmq-server"],
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
            user=user,
            group=user,
            start_new_session=True,
        )
        epmd = ["epmd", "-port", env["ERL_EPMD_PORT"], "-kill"]
        try:
            until(lambda: _answers(port), START_SECONDS)
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # the script has started another process
            server.wait(30)
            until(lambda: _ended(epmd, env))
    shutil.rmtree(folder, ignore_errors=True)


def _ended(epmd: list[str], env: dict[str, str]) -> bool:
    """End Erlang's port mapper, which stays until the last node has left it."""
    subprocess.run(epmd, env=env, capture_output=True, check=False)
    return not ports.obstacle(ports.LOOPBACK, int(env["ERL_EPMD_PORT"]))


def _answers(port: int) -> bool:
    with Connection(f"127.0.0.1:{port}", connect_timeout=1):
        return True
