"""docs/configuration.md, made from config.yaml: ``python -m tests.contract.configuration``.

What a key means is the comment behind it, or the comment above it up to the next empty line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/configuration.md"
HEAD = """\
# Configuration

Made from `config.yaml` by `make docs`; change the comments there. Each key is set by the
environment variable that is named first, or in the file; the variables after it only have a part
in the default. `nameko show-config --config config.yaml` prints what is in force, secrets left
out. A wrong value stops a service at the start, in one line that names the key.

| key | environment | default | meaning |
| --- | --- | --- | --- |
"""
VARIABLE = re.compile(r"\$\{(\w+)")
INNERMOST = re.compile(r"\$\{\w+:?([^${}]*)\}")


@dataclass(frozen=True)
class Key:
    """One key of the configuration, with dots for what is inside another."""

    name: str
    variables: tuple[str, ...]
    default: str
    meaning: str


def keys(text: str) -> Iterator[Key]:
    """Yield the keys that have a variable, and the top-level ones that have none."""
    lines = text.splitlines()
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    yield from _keys(root, "", "", lines)


def _keys(node: Any, prefix: str, inherited: str, lines: list[str]) -> Iterator[Key]:
    for name, value in node.value:
        meaning = _meaning(lines, name.start_mark.line) or inherited
        path = prefix + name.value
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, f"{path}.", meaning, lines)
        elif isinstance(value, yaml.ScalarNode):
            variables = tuple(dict.fromkeys(VARIABLE.findall(value.value)))
            if variables or not prefix:
                yield Key(path, variables, _default(value.value), meaning)


def _default(text: str) -> str:
    while (shorter := INNERMOST.sub(r"\1", text)) != text:
        text = shorter
    return text


def _meaning(lines: list[str], number: int) -> str:
    behind = re.search(r" # (.*)$", lines[number])
    above: list[str] = []
    while number > 0 and (match := re.fullmatch(r"\s*# (?!----)(.*)", lines[number - 1])):
        above.insert(0, match[1])
        number -= 1
    parts = [" ".join(above), behind[1] if behind else ""]
    return " ".join(_capitalized(part) for part in parts if part)


def _capitalized(text: str) -> str:
    return text if text.startswith("gRPC") else f"{text[0].upper()}{text[1:]}"


def page(text: str) -> str:
    """Return the page."""
    return HEAD + "".join(f"{_row(key)}\n" for key in keys(text))


def _row(key: Key) -> str:
    variables = ", ".join(f"`{name}`" for name in key.variables) or "none"
    default = f"`{key.default}`" if key.default else "empty"
    return f"| `{key.name}` | {variables} | {default} | {key.meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page((ROOT / "config.yaml").read_text()))
