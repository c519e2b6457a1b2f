"""Which processes of a system live, so that a test can tell whether it has killed one."""

import psutil

from tests.e2e.system import System

SERVICES = ("gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc")
# The programs by which one knows the servers.
SERVERS = {"nats-server": "NATS", "valkey-server": "Valkey", "postgres": "PostgreSQL"}


def parts(system: System) -> dict[str, psutil.Process]:
    """Return what the runner has started and is alive: services and servers, by name."""
    runner, *_ = system.processes()
    named = {_name(child): child for child in runner.children()}
    named.pop("", None)
    return named


def pids(system: System) -> dict[str, int]:
    """Return the process ids of all parts."""
    return {name: part.pid for name, part in parts(system).items()}


def _name(process: psutil.Process) -> str:
    try:
        command, program = process.cmdline(), process.name()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return ""
    server = SERVERS.get(program, "") if command else ""
    return next((name for name in SERVICES if f"{name}.service" in command), server)
