"""What an OpenID provider publishes: its endpoints and keys (OpenID Connect Discovery 1.0)."""

import logging
import re
import time
from dataclasses import dataclass
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from requests import RequestException

from gateway.sign_in import exchange
from gateway.sign_in.providers import Application

_log = logging.getLogger(__name__)

FRESH_SECONDS = 3600  # then both documents are read again
AGAIN_SECONDS = 60  # what failed, or lacked a key, is not read more often
_THIS_MACHINE = re.compile(r"http://(localhost|127(\.\d+){3}|\[::1\])(:\d+)?/")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class Endpoints:
    """Where an OpenID provider is asked for what, and how."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    secret_in_body: bool
    names_itself: bool  # in what a browser brings back (RFC 9207)


class Issuer:
    """Reads the documents, keeps them for an hour, and goes on with the old ones if it must."""

    def __init__(self, url: str, application: Application) -> None:
        self.url = url
        self.application = application
        self._endpoints: Endpoints | None = None
        self._endpoints_read = self._keys_read = float("-inf")
        self._keys = KeySet([])

    def endpoints(self) -> Endpoints:
        """Return where the provider is asked; raise ValueError where it publishes nonsense."""
        if time.monotonic() - self._endpoints_read > FRESH_SECONDS:
            try:
                found = self._read(f"{self.url.rstrip('/')}/.well-known/openid-configuration")
                self._endpoints = self._understood(found)
                self._endpoints_read = time.monotonic()
            except (RequestException, ValueError, exchange.TooManyRequests):
                if self._endpoints is None:
                    raise
                _log.warning("the discovery document cannot be read: going on with the last one")
                self._endpoints_read = time.monotonic() - FRESH_SECONDS + AGAIN_SECONDS
        if self._endpoints is None:
            raise ValueError("no discovery document")
        return self._endpoints

    def keys(self, kid: str | None) -> KeySet:
        """Return the provider's keys, read anew if this one is not among them."""
        known = any(key.kid == kid for key in self._keys.keys)
        age = time.monotonic() - self._keys_read
        if age > FRESH_SECONDS or (not known and age > AGAIN_SECONDS):
            found = self._read(self.endpoints().keys)
            try:
                self._keys = KeySet.import_key_set(cast(KeySetSerialization, found))
            except (JoseError, KeyError, TypeError, AttributeError) as exc:
                raise ValueError("the keys cannot be read") from exc
            self._keys_read = time.monotonic()
        return self._keys

    def _read(self, url: str) -> dict[str, Any]:
        with exchange.session(self.application, url) as session:
            answer = exchange.read(
                session, url, timeout=self.application.timeout_seconds / 2, withhold_token=True
            )
            answer.raise_for_status()
            found = answer.json()
        if not isinstance(found, dict):
            raise ValueError(f"{url} is no object")
        return found

    def _understood(self, found: dict[str, Any]) -> Endpoints:
        # Discovery 1.0, 4.3: another issuer's document here would let it speak for this one.
        if found.get("issuer") != self.url:
            raise ValueError("the discovery document is that of another issuer")
        for name in _NEEDED:
            self._check(found.get(name), name)
        if userinfo := found.get("userinfo_endpoint") or "":
            self._check(userinfo, "userinfo_endpoint")
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Endpoints(
            authorization=found["authorization_endpoint"],
            token=found["token_endpoint"],
            keys=found["jwks_uri"],
            userinfo=userinfo,
            secret_in_body="client_secret_basic" not in methods,
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _check(self, url: Any, name: str) -> None:
        """Secrets go there: https, or this machine if the issuer itself is on it."""
        if not isinstance(url, str) or not (
            url.startswith("https://")
            or (_THIS_MACHINE.match(f"{self.url}/") and _THIS_MACHINE.match(url))
        ):
            raise ValueError(f"{name} is no https address")
