"""What config.yaml says, and which environment variable changes it."""

import re
from pathlib import Path
from typing import Any

import yaml
from nameko.cli.utils.config import ENV_VAR_MATCHER, _replace_env_var, load_config

from embedded.errors import CannotStart

VARIABLE = re.compile(r"\$\{(\w+)")


def _looked_up(value: Any) -> Any:
    """Look up what nameko leaves for its reader to look up; see chassis.config."""
    if isinstance(value, dict):
        return {key: _looked_up(each) for key, each in value.items()}
    return ENV_VAR_MATCHER.sub(_replace_env_var, value) if isinstance(value, str) else value


class Settings:
    """The configuration, read as ``nameko run`` reads it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "config.yaml"
        self._text = self.file.read_text()
        self._values: dict[str, Any] = _looked_up(load_config(self._text))

    def get(self, key: str) -> Any:
        """Return a value; dots in the key go down into mappings. Raise CannotStart."""
        value: Any = self._values
        try:
            for name in key.split("."):
                value = value[name]
        except (KeyError, TypeError):
            raise CannotStart(f"{self.file.name} lacks {key}") from None
        return value

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
