"""The sentences of the user service, with a store in memory."""

from datetime import UTC, datetime, timedelta

import pytest
from nameko.testing.services import worker_factory
from nameko.utils import get_redacted_args

from chassis.errors import InvalidInput, NotFound, Unauthenticated
from tests.fakes.user_svc import FakeUserStore
from user_svc.service import UserService

BOB = {"provider": "github", "subject": "1", "login": "bob", "name": "Bob", "email": "b@x.org"}


@pytest.fixture
def service():
    return worker_factory(UserService, users=FakeUserStore(), token_days=30)


def test_a_person_signs_in_is_known_and_signs_out(service):
    answer = service.sign_in(BOB)
    assert (answer["username"], answer["name"], answer["email"]) == ("bob", "Bob", "b@x.org")
    assert service.verify_token(answer["access_token"]) == {
        "username": "bob",
        "expires_at": answer["expires_at"],
    }
    assert service.revoke_token(answer["access_token"]) is None
    with pytest.raises(Unauthenticated, match="Access Denied!"):
        service.verify_token(answer["access_token"])


def test_the_token_is_good_for_the_days_configured(service):
    expires_at = datetime.fromisoformat(service.sign_in(BOB)["expires_at"])
    assert abs(expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize("token", ["", "x", "dlk_", "y" * 10_000, None, 1, "dlk_" + "A" * 43])
def test_revoking_what_is_not_known_is_no_error(service, token):
    assert service.revoke_token(token) is None


@pytest.mark.parametrize("token", ["", "x", "dlk_", "y" * 10_000, None, 1, "dlk_" + "A" * 43])
def test_a_token_that_is_none_is_denied(service, token):
    with pytest.raises(Unauthenticated):
        service.verify_token(token)


def test_a_user_is_found_by_name(service):
    service.sign_in(BOB)
    found = service.get_user("BOB")
    assert (found["username"], found["name"]) == ("bob", "Bob")
    with pytest.raises(NotFound):
        service.get_user("eve")


def test_an_identity_without_subject_makes_nobody(service):
    with pytest.raises(InvalidInput):
        service.sign_in({**BOB, "subject": ""})
    with pytest.raises(NotFound):
        service.get_user("bob")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("sign_in", [BOB]), ("verify_token", ["dlk_secret"]), ("revoke_token", ["dlk_secret"])],
)
def test_secrets_are_marked_as_such(method, arguments):
    (entrypoint,) = getattr(UserService, method).nameko_entrypoints
    entrypoint.method_name = method
    entrypoint.container = type("Container", (), {"service_cls": UserService})
    try:
        told = str(get_redacted_args(entrypoint, *arguments))
    finally:
        entrypoint.container = None
    assert "dlk_secret" not in told
    assert "b@x.org" not in told
