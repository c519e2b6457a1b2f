"""Who calls: one good token in a header, and nothing else."""

from unittest.mock import Mock

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from chassis import errors
from gateway import auth


def a_request(path: str = "/", **headers: str) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(path, headers=names).get_environ())


@pytest.mark.parametrize(
    "headers",
    [
        {"Access_Token": "dlk_abc"},
        {"Authorization": "Bearer dlk_abc"},
        {"Authorization": "bearer  dlk_abc "},
        {"Access_Token": "dlk_abc", "Authorization": "Bearer dlk_abc"},
        {"Access_Token": "dlk_abc", "Authorization": "Basic YTpi"},
    ],
)
def test_token_comes_from_either_header(headers: dict[str, str]) -> None:
    assert auth.token(a_request(**headers)) == "dlk_abc"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Access_Token": ""},
        {"Access_Token": "a", "Authorization": "Bearer b"},
        {"Access_Token": "x" * 513},
        {"Access_Token": "a b"},
        {"Access_Token": "tök"},
        {"Access_Token": "a\x7f"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "Access-Token=dlk_abc"},
    ],
)
def test_anything_else_is_denied_without_asking(headers: dict[str, str]) -> None:
    users = Mock()
    with pytest.raises(errors.Unauthenticated, match="Access Denied!") as caught:
        auth.caller(
            a_request("/?access_token=dlk_abc&Access-Token=dlk_abc", **headers), users, "read"
        )
    assert caught.value.code == "access_denied"
    users.verify_token.assert_not_called()


def test_caller_is_whom_user_svc_names() -> None:
    users = Mock()
    users.verify_token.return_value = {"username": "alice", "expires_at": ""}
    caller = auth.caller(a_request("/?username=bob", Access_Token="dlk_abc"), users, "read")
    assert caller.username == "alice"
    users.verify_token.assert_called_once_with("dlk_abc")
