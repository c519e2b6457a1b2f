"""TLS by the files that config.yaml names; files that are renewed count for new connections."""

import logging
import ssl
from pathlib import Path
from typing import Any

from eventlet.green import ssl as green_ssl
from nameko.exceptions import ConfigurationError

from chassis import config
from chassis.tls.socket import TlsSocket

log = logging.getLogger(__name__)


class Tls:
    """What one end of a connection shows and whom it trusts, by the keys of config.yaml.

    ``ca`` names the authority that the other end's certificate must come from, ``cert`` and
    ``key`` our own; each may be empty. Raises ConfigurationError, naming the key.
    """

    def __init__(
        self, ca: str, cert: str, key: str, *, server: bool = False, alpn: str = ""
    ) -> None:
        self._server = server
        self._alpn = alpn
        self._ca, self._cert, self._key = ca, cert, key
        self._paths = {name: str(config.optional(name, "")) for name in (ca, cert, key)}
        for one, other in ((cert, key), (key, cert), (ca, cert if server else ca)):
            if self._paths[one] and not self._paths[other]:
                raise ConfigurationError(f"{other} is empty, but {one} is not")
        self._context = self._load()
        self._version = self._look()

    def __bool__(self) -> bool:
        """Say whether any file is configured."""
        return any(self._paths.values())

    @property
    def shows_certificate(self) -> bool:
        """Say whether we have a certificate of our own."""
        return bool(self._paths[self._cert])

    def wrap(self, sock: Any, server_name: str | None = None) -> TlsSocket:
        """Return a connected socket with TLS; a client says whose certificate it wants to see."""
        return TlsSocket(sock, self.context(), alpn=self._alpn, server_name=server_name)

    def context(self) -> Any:
        """Return the context for a new connection, from the files as they are now."""
        version = self._look()
        if version != self._version:
            try:
                self._context = self._load()
            except ConfigurationError as error:  # half written, perhaps
                log.warning("%s; what was there before still serves", error)
            self._version = version
        return self._context

    def _look(self) -> list[tuple[int, int, int]]:
        found = []
        for path in filter(None, self._paths.values()):
            try:
                stat = Path(path).stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return found

    def _load(self) -> Any:
        side = ssl.PROTOCOL_TLS_SERVER if self._server else ssl.PROTOCOL_TLS_CLIENT
        context = green_ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Or writing might have to read, which another green thread does.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if self._alpn:
            context.set_alpn_protocols([self._alpn])
        if authority := self._read(self._ca):
            self._use(self._ca, context.load_verify_locations, authority)
            context.verify_mode = ssl.CERT_REQUIRED
        elif not self._server:
            context.load_default_certs()
        if certificate := self._read(self._cert):
            both = f"{self._cert} and {self._key}"
            self._use(both, context.load_cert_chain, certificate, self._read(self._key))
        return context

    def _read(self, key: str) -> str:
        """Return the path, if there is one; raise ConfigurationError for a file that is none."""
        path = self._paths[key]
        try:
            if path:
                Path(path).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{key}: cannot read {path}: {error.strerror}") from None
        return path

    def _use(self, keys: str, load: Any, *paths: str) -> None:
        try:
            load(*paths)
        except (ssl.SSLError, ValueError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConfigurationError(f"{keys}: {', '.join(paths)}: {reason}") from None


def reason(error: BaseException) -> str:
    """Return in a few words why TLS has failed."""
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error)
