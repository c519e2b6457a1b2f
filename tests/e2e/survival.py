"""Which processes of a system live, so that a test can tell whether it has killed one."""

import psutil

from tests.e2e.system import System

SERVICES = ("gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc")
# The programs by which one knows the servers.
SERVERS = {"NATS": "nats-server", "Valkey": "valkey-server", "PostgreSQL": "postgres"}


def parts(system: System) -> dict[str, psutil.Process]:
    """Return what the runner has started: services and servers, by name."""
    runner, *_ = system.processes()
    return {_name(child): child for child in runner.children() if _name(child)}


def pids(system: System) -> dict[str, int]:
    """Return the process ids of all parts."""
    return {name: part.pid for name, part in parts(system).items()}


def _name(process: psutil.Process) -> str:
    try:
        command = process.cmdline()
    except psutil.ZombieProcess:
        return ""
    for service in SERVICES:
        if f"{service}.service" in command:
            return service
    program = command[0].rpartition("/")[2] if command else ""
    return next((name for name, called in SERVERS.items() if called == program), "")
