"""config.yaml has every key that the code reads, and no other file names its variables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from nameko.cli.utils.config import load_config

ROOT = Path(__file__).parents[2]
ROOMS = ("chassis", "gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc")
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
TEXT = (ROOT / "config.yaml").read_text()
SETTINGS = load_config(TEXT)
VARIABLES = sorted(set(re.findall(r"\$\{(\w+)", TEXT)))

KEY = re.compile(r"[A-Z][A-Z0-9_]+(\..*)?")
# Read by nameko itself, and by the runner.
NOT_OURS = {"AMQP_URI", "SERVICE_CONTAINER_CLS", "max_workers", "PREFETCH_COUNT", "LOGGING"}
RUNNERS = {"DATA_DIR", "EMBEDDED"}
# May be left out of config.yaml; see where they are read.
OPTIONAL = {"ACCESS_LOG", "DB_SET_TIMEOUTS"}
# Looks like a key, and is WSGI's.
WSGI = {"CONTENT_LENGTH", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "SERVER_PROTOCOL"} | {
    f"HTTP_{name}" for name in ("ACCESS_TOKEN", "AUTHORIZATION", "TRACEPARENT", "X_REQUEST_ID")
}


def keys_read(path: Path) -> Iterator[str]:
    """Yield what looks like a key in the places where code names one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(each.value for each in node.keywords)]
            yield from filter(None, map(key_of, arguments))
        elif isinstance(node, ast.Subscript):
            yield from filter(None, [key_of(node.slice)])
        elif isinstance(node, ast.Assign):
            yield from filter(None, [key_of(node.value)] if names_a_key(node.targets) else [])
        elif isinstance(node, ast.FunctionDef):
            yield from filter(None, map(key_of, filter(None, node.args.kw_defaults)))


def names_a_key(targets: list[ast.expr]) -> bool:
    return any(isinstance(each, ast.Name) and each.id.endswith("_key") for each in targets)


def key_of(node: ast.expr) -> str | None:
    """Return the key that an expression is, up to its first dot or variable part."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0] if isinstance(node.values[0], ast.Constant) else node
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    key = node.value.partition(".")[0]
    return key if KEY.fullmatch(key) and "_" in key else None


READ = {key: path for path in SOURCES for key in keys_read(path) if key not in WSGI}


def test_scan_finds_keys_of_every_way_to_read_one() -> None:
    examples = {"MAX_LINKS_PER_USER", "NEWS_GRPC_TARGET", "SIGN_IN_TIMEOUT_SECONDS", "HTTP_PORTS"}
    assert examples <= set(READ)


@pytest.mark.parametrize("key", sorted(READ))
def test_key_that_is_read_is_in_the_configuration(key: str) -> None:
    assert key in SETTINGS or key in OPTIONAL, f"{key}: {READ[key]}"


def test_key_in_the_configuration_is_read() -> None:
    everything = "\n".join(path.read_text() for path in SOURCES)
    known = NOT_OURS | RUNNERS
    unread = [key for key in SETTINGS if key not in known and key not in everything]
    assert unread == []


def test_code_reads_no_environment() -> None:
    reading = re.compile(r"os\.environ|os\.getenv|getenv\(|from os import .*environ")
    readers = [str(path.relative_to(ROOT)) for path in SOURCES if reading.search(path.read_text())]
    assert readers == []


# Those that are called as their keys are: of them the test above takes care.
@pytest.mark.parametrize("name", [name for name in VARIABLES if name not in SETTINGS])
def test_only_the_configuration_names_a_variable(name: str) -> None:
    word = re.compile(rf"\b{name}\b")
    everything = [*SOURCES, *sorted((ROOT / "embedded").rglob("*.py"))]
    assert [path.name for path in everything if word.search(path.read_text())] == []
