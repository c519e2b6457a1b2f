"""Typed reads of the configuration, made once in ``setup()``: a bad value stops the start.

What may hold a password stands in config.yaml as ``"${NAME:default}"`` without a tag, which nameko
leaves alone: it is looked up in the environment when it is read, also when nameko itself reads it
(AMQP_URI). So ``nameko show-config`` prints names and no secrets (docs/adr/0015).
"""

from typing import Any

from nameko import Config, config
from nameko.cli.utils.config import ENV_VAR_MATCHER, _replace_env_var
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider


class _Lookup(Config):  # nameko (3.0.0rc11) has no hook between its file and its readers
    def __getitem__(self, key: str) -> Any:
        return _looked_up(super().__getitem__(key))


config.__class__ = _Lookup


def _looked_up(value: Any) -> Any:
    if isinstance(value, str) and "${" in value:
        return ENV_VAR_MATCHER.sub(_replace_env_var, value)
    return value


def required(key: str) -> Any:
    """Return the value of ``key`` (dots go down into mappings); raise ConfigurationError."""
    value: Any = config
    for name in key.split("."):
        try:
            value = _looked_up(value[name])
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


def boolean(key: str, default: bool) -> bool:
    """Return true or false, or ``default`` where the value is missing or empty."""
    value = optional(key, default)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{key} must be true or false, not {value!r}")
    return value


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
