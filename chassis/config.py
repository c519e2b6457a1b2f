"""Typed reads of the configuration, made once in ``setup()``: a bad value stops the start."""

from typing import Any

from nameko import config
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider


def required(key: str) -> Any:
    """Return the value of ``key`` (dots go down into mappings); raise ConfigurationError."""
    value: Any = config
    for name in key.split("."):
        try:
            value = value[name]
        except (KeyError, TypeError):
            raise ConfigurationError(f"config.yaml lacks {key}") from None
    if value is None or value == "":
        raise ConfigurationError(f"{key} is empty")
    return value


def optional(key: str, default: Any = None) -> Any:
    """Return the value of ``key``, or ``default`` where it is missing or empty."""
    try:
        return required(key)
    except ConfigurationError:
        return default


def text(key: str) -> str:
    """Return a text that is not empty."""
    return str(required(key))


def positive(key: str) -> float:
    """Return a number above zero."""
    value = required(key)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{key} must be a number, not {value!r}") from None
    if not 0 < number < float("inf"):
        raise ConfigurationError(f"{key} must be above zero, not {value!r}")
    return number


def positive_integer(key: str) -> int:
    """Return a whole number above zero."""
    number = positive(key)
    if number != int(number):
        raise ConfigurationError(f"{key} must be a whole number, not {number!r}")
    return int(number)


class Setting(DependencyProvider):
    """Inject one value of the configuration, checked when the service starts."""

    def __init__(self, read: Any, key: str) -> None:
        self.read = read
        self.key = key
        self.value: Any = None

    def setup(self) -> None:
        """Read and check the value; raise ConfigurationError naming the key."""
        self.value = self.read(self.key)

    def get_dependency(self, worker_ctx: Any) -> Any:
        """Return the value."""
        return self.value


def positive_int(key: str) -> Any:
    """Declare a dependency on a whole number above zero."""
    return Setting(positive_integer, key)
