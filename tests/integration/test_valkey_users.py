"""Valkey as containers start it: passwords in no argument, and a gateway that can only count."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from chassis.rate_limits.leases import Ask, RedisLeases
from chassis.rate_limits.rate import Rate
from embedded import binaries, ports
from tests.processes import ROOT, until

FOLDER = ROOT / "k8s/servers/valkey"
PASSWORDS = {"REDISCLI_AUTH": "plantedfeeds", "VALKEY_PASSWORD_GATEWAY": "plantedgateway"}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Run start.sh with the files where containers have them; return port and process id."""
    folder, port = tmp_path_factory.mktemp("valkey"), ports.free_port()
    settings = (FOLDER / "valkey.conf").read_text()
    settings = settings.replace("port 6379", f"port {port}").replace("dir /data", f"dir {folder}")
    (folder / "valkey.conf").write_text(settings)
    script = (FOLDER / "start.sh").read_text()
    (folder / "start.sh").write_text(script.replace("/etc/valkey", str(folder)))
    (folder / "valkey-server").symlink_to(binaries.valkey_server())
    path = f"{folder}:{Path(str(shutil.which('sh'))).parent}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", folder / "start.sh"],
            env=os.environ | PASSWORDS | {"PATH": path},
            stdout=log,
            stderr=log,
        )
    until(lambda: client(port, "default", "REDISCLI_AUTH").ping())
    yield port, process.pid
    process.terminate()
    assert process.wait(10) == 0


def client(port: int, user: str, password: str) -> redis.Redis:
    return redis.Redis(port=port, username=user, password=PASSWORDS.get(password, password))


def test_no_password_is_in_the_arguments(started: tuple[int, int]) -> None:
    arguments = Path(f"/proc/{started[1]}/cmdline").read_bytes()
    assert b"valkey-server" in arguments  # the script has become the server
    assert b"planted" not in arguments


def test_gateway_counts_and_does_nothing_else(started: tuple[int, int]) -> None:
    port, _ = started
    gateway = client(port, "gateway", "VALKEY_PASSWORD_GATEWAY")
    ask = Ask(Rate("token", 100, 60), "somebody", time.time())
    assert RedisLeases(gateway).grant([ask])[0].granted == 4
    client(port, "default", "REDISCLI_AUTH").set("feed:alice", "secret")
    for command in (
        *("GET feed:alice", "KEYS *", "FLUSHALL", "CONFIG GET requirepass", "ACL LIST"),
        *("EVAL return(redis.call('GET','feed:alice')) 0", "PUBLISH a b", "SET rate-limit:a 1"),
    ):
        with pytest.raises(NoPermissionError):
            gateway.execute_command(*command.split())


@pytest.mark.parametrize("user", ["default", "gateway"])
def test_nobody_comes_in_without_the_password(started: tuple[int, int], user: str) -> None:
    with pytest.raises(AuthenticationError):
        client(started[0], user, "wrong").ping()
