"""Typed reads of the configuration, made once in ``setup()``: a bad value stops the start.

What may hold a password stands in config.yaml as ``"${NAME:default}"`` without a tag, which nameko
leaves alone: it is looked up in the environment when it is read, also when nameko itself reads it
(AMQP_URI). So ``nameko show-config`` prints names and no secrets (docs/adr/0015).
"""

from typing import Any
from urllib.parse import urlsplit

from nameko import Config, config
from nameko.cli.utils.config import ENV_VAR_MATCHER, _replace_env_var
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class _Lookup(Config):  # nameko (3.0.0rc11) has no hook between its file and its readers
    def __getitem__(self, key: str) -> Any:
        value = _looked_up(super().__getitem__(key))
        if key == "LOGGING":  # where it is wrong, the standard library answers a traceback
            _check_level(value)
        return value


config.__class__ = _Lookup


def _looked_up(value: Any) -> Any:
    if isinstance(value, str) and "${" in value:
        return ENV_VAR_MATCHER.sub(_replace_env_var, value)
    return value


def _check_level(logging: Any) -> None:
    level = logging.get("root", {}).get("level", "INFO")
    if level not in _LEVELS:
        raise ConfigurationError(
            f"LOGGING.root.level must be {' or '.join(_LEVELS)}, not {level!r}"
        )


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
        if isinstance(value, bool):
            raise TypeError
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


def integer(key: str, least: int, most: int) -> int:
    """Return a whole number from ``least`` to ``most``."""
    number = positive_integer(key)
    if not least <= number <= most:
        raise ConfigurationError(f"{key} must be {least} to {most}, not {number}")
    return number


def boolean(key: str, default: bool) -> bool:
    """Return true or false, or ``default`` where the value is missing or empty."""
    value = optional(key, default)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{key} must be true or false, not {value!r}")
    return value


def port(key: str) -> int:
    """Return the number of a port."""
    number = positive_integer(key)
    if number > 65535:
        raise ConfigurationError(f"{key} must be a port, not {number}")
    return number


def one_of(key: str, *choices: str) -> str:
    """Return a text that is one of these."""
    value = text(key)
    if value not in choices:
        raise ConfigurationError(f"{key} must be {' or '.join(choices)}, not {value!r}")
    return value


def servers(key: str, *schemes: str) -> str:
    """Return the addresses of servers, with commas between them, that begin with such a scheme.

    The error shows no part of them, as there may be a password.
    """
    value = text(key)
    if not all(_is_address(each.strip(), schemes) for each in value.split(",")):
        raise ConfigurationError(f"{key} must be like {schemes[0]}://host:port")
    return value


def _is_address(address: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is none
        return False


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
