"""The Dockerfile holds against the code and the configuration. No image is built here."""

import contextlib
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.contract import locks
from tests.contract.delivery import (
    ROOT,
    SERVICES,
    Target,
    ports,
    project,
    rooms_of,
    stages,
    targets,
    variables,
)

CONFIG = (ROOT / "config.yaml").read_text()
each_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture
def target(service: str) -> Target:
    return targets()[service]


def test_every_stage_rests_on_one_pinned_image() -> None:
    (image,) = {stage.image for stage in stages().values()}
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", image)


@each_service
def test_copied_paths_exist_and_are_sent_to_the_builder(target: Target) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for path in target.copies:
        assert (ROOT / path).exists()
        assert f"!{path}" in ignored


@each_service
def test_target_holds_what_the_service_imports_and_no_other_room(
    service: str, target: Target
) -> None:
    files = {"pyproject.toml", "requirements", "config.yaml"}
    assert set(target.copies) == rooms_of(service) | files


@each_service
def test_target_installs_what_its_service_needs_and_no_more(service: str, target: Target) -> None:
    installed = {package for path in target.locks for package in locks.read(path)}
    assert installed == locks.needed("", "tracing", service.replace("_", "-"))


@each_service
def test_code_comes_after_the_dependencies(target: Target) -> None:
    words = [f"{word} {rest}" for word, rest in target.instructions]
    last_install = max(i for i, line in enumerate(words) if "pip install" in line)
    assert words.index("COPY requirements requirements") < last_install
    assert last_install < words.index("COPY chassis chassis")


@each_service
def test_process_is_nameko_itself(service: str, target: Target) -> None:
    assert target.last("ENTRYPOINT") == ["nameko", "run", "--config", "config.yaml"]
    assert target.last("CMD") == [f"{service}.service"]


@each_service
def test_process_is_nobody_in_particular_and_writes_nothing(target: Target) -> None:
    assert target.last("USER") == "10001:10001"
    assert target.pairs("ENV")["PYTHONDONTWRITEBYTECODE"] == "1"


@each_service
def test_environment_is_known_to_the_configuration(target: Target) -> None:
    names = {name for name in target.pairs("ENV") if not name.startswith("PYTHON")}
    assert names <= variables()
    assert target.pairs("ENV")["BIND_HOST"] == "0.0.0.0"
    assert target.pairs("ENV")["DELINKCIOUS_ENVIRONMENT"] == "production"


@each_service
def test_ports_are_those_of_the_configuration(service: str, target: Target) -> None:
    assert {int(port) for port in target.last("EXPOSE").split()} == ports(service)


@each_service
def test_health_is_asked_where_the_service_listens(service: str, target: Target) -> None:
    (line,) = re.findall(rf"^  {service}: \$\{{(\w+:\d+)\}}", CONFIG, re.MULTILINE)[:1]
    name, default = line.split(":")
    assert f"environ.get('{name}', '{default}')" in target.last("HEALTHCHECK")
    with listening() as (port, asked):
        assert healthcheck(target, **{name: str(port)}) == 0
    assert asked == ["/health/live"]
    assert healthcheck(target, **{name: str(port)}) == 1


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Serve what says OK to everything, and give its port and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def healthcheck(target: Target, **env: str) -> int:
    """Run the command as Docker would, which calls no shell; return its exit status."""
    command = json.loads(target.last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    done = subprocess.run([sys.executable, *command[1:]], env=env, capture_output=True)
    return done.returncode


@each_service
def test_labels_say_what_the_image_is(service: str, target: Target) -> None:
    labels = target.pairs("LABEL")
    assert labels["org.opencontainers.image.title"] == service.replace("_", "-")
    assert labels["org.opencontainers.image.licenses"] == project()["license"]
    assert labels["org.opencontainers.image.description"]


@pytest.mark.long
@each_service
def test_service_needs_nothing_that_its_image_lacks(
    service: str, target: Target, tmp_path: Path
) -> None:
    """Install and copy as the Dockerfile does, and import, migrate and look for the bus there."""
    app = tmp_path / "app"
    app.mkdir()
    shutil.copy(ROOT / "pyproject.toml", app)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv/bin/python")
    for path in target.locks:
        run(ROOT, python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", path)
    run(app, python, "-m", "pip", "install", "--quiet", "--no-deps", ".")
    for path in target.copies:
        if (ROOT / path).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / path, app / path, ignore=ignore)
        else:
            shutil.copy(ROOT / path, app / path)
    before = contents(app)
    run(app, python, "-c", f"import {service}.service")
    bus = "from kombu.transport import TRANSPORT_ALIASES as known; import kombu; known['nats']"
    run(app, python, "-c", f"import kombu.serialization; {bus}")
    if "requirements/database.lock" in target.locks:
        alembic = ("-m", "alembic", "-c", f"{service}/alembic.ini", "upgrade", "head", "--sql")
        assert "CREATE TABLE" in run(app, python, *alembic)
    assert contents(app) == before


def run(folder: Path, *command: str) -> str:
    """Run a program that sees nothing of this checkout."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = keep | {"PYTHONDONTWRITEBYTECODE": "1", "DELINKCIOUS_ENVIRONMENT": "production"}
    env |= {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: Path) -> set[str]:
    """Return the files, but for what pip's build has left."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in names if not fnmatch.fnmatch(name, "*egg-info*")}
