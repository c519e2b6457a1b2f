"""What schemathesis must know to make requests that are right: texts of our formats, and tokens.

The command line loads this as SCHEMATHESIS_HOOKS; OPENAPI_TEST_URL is where the system is.
"""

import os
import secrets
from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.e2e.api import sign_in

URL = os.environ["OPENAPI_TEST_URL"]

KNOWN = [sign_in(URL, name)["username"] for name in ("somebody", "someone")]
_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)

schemathesis.openapi.format(
    "uri",
    st.builds(
        "{}://{}.example/{}".format, st.sampled_from(["http", "https", "ftp"]), st.just("h"), _words
    ),
)
schemathesis.openapi.format("re2", _words | st.just("") | st.sampled_from(["^a|b$", "[a-z]+", "."]))
schemathesis.openapi.format(
    "link-query",
    st.lists(
        st.sampled_from(
            ["word", '"two words"', "-not", "#tag", "site:h.example", "after:2024", "be*"]
        ),
        min_size=1,
        max_size=5,
    ).map(" ".join),
)
schemathesis.openapi.format("page-token", st.just(""))
schemathesis.openapi.format("username", st.sampled_from(KNOWN) | _names)

LAST_ACTS = ("/logout", "/v1.0/me", "/v1.0/tokens")


@schemathesis.auth(refresh_interval=None)
class Token:
    """A token for each request: one for all, but a new one for what ends tokens."""

    def __init__(self) -> None:
        self.token = ""

    def get(self, case: Any, context: Any) -> str:
        if case.path in LAST_ACTS:
            return new_token()
        self.token = self.token or new_token()
        return self.token

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "Access-Token": data}


def new_token() -> str:
    name = f"anyone-{secrets.token_hex(4)}"
    token: str = sign_in(URL, name)["access_token"]
    return token
