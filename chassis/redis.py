"""Valkey (or Redis) for a service: a client that gives up soon and comes back by itself."""

from collections.abc import Callable
from typing import Any

from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from chassis import config
from chassis.outage import Outage

TIMEOUT_SECONDS = 1.0

_MAY_PASS = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError, ClusterDownError)
# What redis-py (8.1) has no class for: replicas missing, disk full, a script that does not end.
_MAY_PASS_CODES = ("NOREPLICAS ", "MISCONF ", "BUSY ")


def connect(url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Redis:
    """Make a client, which connects when it is first used and again whenever it has to.

    A call that finds its connection dead is tried once more, so that a server's restart costs no
    caller an error: what is sent must be idempotent. A server that is silent is not asked twice:
    its caller waits ``timeout_seconds``, which are less than any deadline.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        # redis-py 8.1 asks each server for notices of Redis Enterprise, which Valkey refuses.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


def may_pass(error: RedisError) -> bool:
    """Tell whether the same call may succeed later: the server is away, full, busy or read-only."""
    return isinstance(error, _MAY_PASS) or str(error).startswith(_MAY_PASS_CODES)


class Script:
    """A script of the server's, by its digest: what redis-py does for it, in less time.

    redis-py (8.1) wraps each command in measurements and several layers of its own. Connections,
    their pool, and when a call is tried again remain redis-py's.
    """

    def __init__(self, client: Redis, text: str) -> None:
        self._pool = client.connection_pool
        self._registered = client.register_script(text)
        digest = self._registered.sha.encode()
        self._head = b"$7\r\nEVALSHA\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(digest), digest)

    def __call__(self, *arguments: str | int) -> Any:
        """Run the script, without keys; raise RedisError."""
        count = b"*%d\r\n" % (len(arguments) + 3)
        command = b"".join((count, self._head, *map(_bulk, arguments)))
        connection: Any = self._pool.get_connection()

        def ask() -> Any:
            connection.send_packed_command([command])
            return connection.read_response()

        try:
            return connection.retry.call_with_retry(ask, lambda _: connection.disconnect())
        except NoScriptError:
            pass
        finally:
            self._pool.release(connection)
        return self._registered(args=arguments)  # which gives the server the script first


def _bulk(argument: str | int) -> bytes:
    data = str(argument).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class RedisStore(DependencyProvider):
    """Inject ``store_cls(client)``, made once for the process."""

    role = "Valkey"

    def __init__(self, store_cls: Callable[[Redis], Any], url_key: str = "REDIS_URL"):
        self.store_cls = store_cls
        self.url_key = url_key

    def setup(self) -> None:
        """Build the client from the configuration; the server may still be away."""
        try:
            self.client = connect(config.text(self.url_key))
        except ValueError:
            raise ConfigurationError(f"{self.url_key} is not an address of Valkey") from None
        self.outage = Outage(f"Valkey at {_place(self.client)}")
        self.store = self.store_cls(self.client)

    def stop(self) -> None:
        """Close the connections."""
        self.client.close()

    def get_dependency(self, worker_ctx: Any) -> Any:
        """Return the store."""
        return self.store

    def check(self) -> None:
        """Raise unless the server answers: part of the service's readiness."""
        try:
            self.client.ping()
        except RedisError as error:
            self.outage.begin(str(error), type(error).__name__)
            raise


def _place(client: Redis) -> str:
    """Return where the server is, without the password."""
    options = client.get_connection_kwargs()
    place: str = options.get("path") or f"{options.get('host')}:{options.get('port')}"
    return place
