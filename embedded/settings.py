"""What config.yaml says, and which environment variable changes it.

Read as nameko reads it, but without nameko: importing it takes a third of a second, before which
nothing could start, and half of the runner's memory. A contract test compares the two readings.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from embedded.errors import CannotStart

VARIABLE = re.compile(r"\$\{(\w+)")
DEPTH = 8  # of defaults within defaults: ${A:${B:c}} is two


def _default() -> str:
    """Return the expression of a default: any text whose braces come in pairs."""
    text = r"[^{}]"
    for _ in range(DEPTH):
        text = rf"(?:[^{{}}]|\{{{text}*\}})"
    return f"{text}*"


REFERENCE = re.compile(rf"\$\{{([^{{}}:\s]+)(?::({_default()}))?\}}")
HAS_REFERENCE = re.compile(r".*\$\{.*\}.*")


def _expanded(text: str) -> str:
    """Replace each ``${NAME:default}``."""
    return REFERENCE.sub(lambda found: _value(found[1], found[2] or ""), text)


def _value(name: str, default: str) -> str:
    value = os.environ.get(name)
    if value is not None:
        return value
    while HAS_REFERENCE.match(default):
        default = _expanded(default)
    return default


class _Loader(yaml.SafeLoader):
    """Looks up ``${NAME:default}`` where it stands without quotes, or as ``!raw_env_var``."""

    def raw(self, node: yaml.ScalarNode) -> str:
        """Return the text, whatever it looks like."""
        return _expanded(str(self.construct_scalar(node)))

    def typed(self, node: yaml.ScalarNode) -> Any:
        """Return what the text stands for: a number, a truth value."""
        text = self.raw(node)
        return text if text == node.value else yaml.safe_load(text)


_Loader.add_constructor("!raw_env_var", _Loader.raw)
_Loader.add_constructor("!env_var", _Loader.typed)
_Loader.add_implicit_resolver("!env_var", HAS_REFERENCE, None)


def _looked_up(value: Any) -> Any:
    """Look up what stands in quotes, as whoever reads it does; see chassis.config."""
    if isinstance(value, dict):
        return {key: _looked_up(each) for key, each in value.items()}
    return _expanded(value) if isinstance(value, str) else value


class Settings:
    """The configuration, read as ``nameko run`` reads it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "config.yaml"
        self._text = self.file.read_text()
        self._values: dict[str, Any] = _looked_up(_Loader(self._text).get_single_data())

    def get(self, key: str) -> Any:
        """Return a value; dots in the key go down into mappings. Raise CannotStart."""
        value: Any = self._values
        try:
            for name in key.split("."):
                value = value[name]
        except (KeyError, TypeError):
            raise CannotStart(f"{self.file.name} lacks {key}") from None
        return value

    def all(self) -> dict[str, Any]:
        """Return everything by its first key."""
        return self._values

    def port(self, key: str) -> int:
        """Return a port; raise CannotStart."""
        value = self.get(key)
        if isinstance(value, int) and 0 < value < 65536:
            return value
        raise CannotStart(f"{key} must be a port, not {value!r}: {self.how_to_change(key)}")

    @property
    def data(self) -> Path:
        """Where data and logs live."""
        return self.root / str(self.get("DATA_DIR"))

    def how_to_change(self, key: str) -> str:
        """Return the advice that changes a value: its environment variable, or its key."""
        variable = self.variable(key)
        return f"set {variable}" if variable else f"change {key} in {self.file.name}"

    def variable(self, key: str) -> str:
        """Return the name of the environment variable that sets a value, or nothing."""
        node: Any = yaml.compose(self._text, Loader=yaml.SafeLoader)
        for name in key.split("."):
            node = next(value for found, value in node.value if found.value == name)
        variable = VARIABLE.search(node.value)
        return variable[1] if variable else ""
