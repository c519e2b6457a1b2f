"""What the Dockerfile, config.yaml and the services' code say, to be held against each other."""

import ast
import functools
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from nameko.cli.utils.config import load_config

ROOT = Path(__file__).resolve().parents[2]
# The folder of each service, and its name in Kubernetes.
SERVICES = {
    "gateway": "api-gateway",
    "link_svc": "link-manager",
    "social_graph_svc": "social-graph-manager",
    "user_svc": "user-manager",
    "news_svc": "news-manager",
}
ROOMS = {*SERVICES, "chassis", "contracts", "protos", "embedded"}


@dataclass
class Target:
    """One stage of the Dockerfile, with all that it inherits."""

    image: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """Return what follows each of these instructions, from the base to the last."""
        return [rest for found, rest in self.instructions if found == word]

    def last(self, word: str) -> Any:
        """Return what follows the instruction that holds; JSON is read."""
        rest = self.all(word)[-1]
        return json.loads(rest) if rest.startswith("[") else rest

    def pairs(self, word: str) -> dict[str, str]:
        """Return the names and values of ENV or LABEL."""
        found = [re.findall(r'([\w.]+)=(?:"([^"]*)"|(\S+))', rest) for rest in self.all(word)]
        return {name: quoted or plain for pairs in found for name, quoted, plain in pairs}

    @property
    def copies(self) -> list[str]:
        """What is copied; each to the place where it is."""
        pairs = [rest.split() for rest in self.all("COPY")]
        assert all(to in (source, "./") for source, to in pairs)
        return [source for source, _ in pairs]

    @property
    def locks(self) -> list[str]:
        """The files that say what pip installs, in order."""
        installed = [each for rest in self.all("RUN") for each in rest.split("pip install ")[1:]]
        found = [re.fullmatch(r"--require-hashes -r (\S+\.lock)[ &]*", each) for each in installed]
        others = [each.strip() for each, match in zip(installed, found, strict=True) if not match]
        assert others == ["--no-deps ."]
        return [match[1] for match in found if match]


@functools.cache
def stages() -> dict[str, Target]:
    """Return the Dockerfile's stages by name."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, Target] = {}
    current = Target("")
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            parent, name = rest.split(" AS ")
            inherited = found.get(parent, Target(parent))
            current = found[name] = Target(inherited.image, [*inherited.instructions])
        elif word:
            current.instructions.append((word, rest.strip()))
    return found


def targets() -> dict[str, Target]:
    """Return the target of each service, by the service's folder."""
    found = {name.replace("-", "_"): stage for name, stage in stages().items()}
    return {service: found[service] for service in SERVICES}


@functools.cache
def defaults() -> dict[str, Any]:
    """Return config.yaml as it is with no variable set."""
    with mock.patch.dict(os.environ, clear=True):
        values: dict[str, Any] = load_config((ROOT / "config.yaml").read_text())
    return values


def variables() -> set[str]:
    """Return the names of the environment variables that config.yaml reads."""
    return set(re.findall(r"\$\{(\w+)", (ROOT / "config.yaml").read_text()))


def variable_defaults() -> dict[str, str]:
    """Return the default of each variable that has a plain one."""
    return dict(re.findall(r"\$\{(\w+):([^${}]*)\}", (ROOT / "config.yaml").read_text()))


def ports(service: str) -> set[int]:
    """Return the ports on which a service listens."""
    config = defaults()
    found = {config["HTTP_PORTS"][service], config["METRICS_PORTS"].get(service)}
    if service == "news_svc":
        found.add(config["GRPC_BIND_PORT"])
    return found - {None}


def nats_users() -> set[str]:
    """Return the users that the NATS servers know."""
    text = (ROOT / "k8s/servers/nats/users.conf").read_text()
    return set(re.findall(r"user: (\w+), password: \$NATS_PASSWORD_", text))


@functools.cache
def rooms_of(service: str) -> set[str]:
    """Return our packages that a service imports, directly and not."""
    found: set[str] = set()
    left = [service]
    while left:
        room = left.pop()
        found.add(room)
        for path in (ROOT / room).rglob("*.py"):
            left += _imports(path) - found
    return found


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names} & ROOMS


def project() -> dict[str, Any]:
    """Return the project's metadata."""
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return document["project"]
