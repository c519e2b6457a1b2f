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
    return worker_factory(
        UserService,
        users=FakeUserStore(),
        session_days=30,
        personal_days=366,
        most_tokens=5,
        grace_seconds=5,
    )


def test_a_person_signs_in_is_known_and_signs_out(service):
    answer = service.sign_in(BOB)
    assert (answer["username"], answer["name"], answer["email"]) == ("bob", "Bob", "b@x.org")
    assert service.verify_token(answer["access_token"]) == {
        "username": "bob",
        "expires_at": answer["expires_at"],
        "token_id": answer["token_id"],
        "kind": "session",
        "scopes": ["read", "write", "account"],
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


def test_a_personal_token_is_made_listed_and_deleted(service):
    service.sign_in(BOB)
    made = service.add_token("bob", {"name": " my script ", "scopes": "read, write"})
    assert (made["name"], made["kind"]) == ("my script", "personal")
    assert service.verify_token(made["access_token"])["scopes"] == ["read", "write"]
    listed = {token["id"]: token for token in service.get_tokens("bob")}
    assert listed[made["id"]] == {
        key: value for key, value in made.items() if key != "access_token"
    }
    assert made["access_token"] not in str(listed)
    assert service.delete_token("bob", made["id"]) == "personal"
    assert len(service.get_tokens("bob")) == 1
    assert service.delete_tokens("bob", "session") == 1
    assert service.get_tokens("bob") == []


@pytest.mark.parametrize("value", ["", None])
def test_an_id_must_be_given(service, value):
    with pytest.raises(InvalidInput) as refusal:
        service.delete_token("bob", value)
    assert refusal.value.code == "missing_id"


@pytest.mark.parametrize(
    "value", ["x", 7, [], "0" * 10_000, "00000000-0000-0000-0000-000000000001"]
)
def test_what_is_no_ones_id_is_not_found(service, value):
    service.sign_in(BOB)
    with pytest.raises(NotFound) as refusal:
        service.delete_token("bob", value)
    assert refusal.value.code == "no_such_token"


def test_all_tokens_of_an_unknown_kind_are_none(service):
    with pytest.raises(InvalidInput):
        service.delete_tokens("bob", "sessions")


def test_a_person_leaves_and_everybody_confirms(service):
    token = service.sign_in(BOB)["access_token"]
    with pytest.raises(InvalidInput):
        service.remove_user("bob", "yes")
    service.remove_user("bob", "bob")
    with pytest.raises(Unauthenticated):
        service.verify_token(token)
    (removal,) = map(str, service.users.told)
    expected = {"username": "bob", "settled": False}
    keepers = ["link_svc", "social_graph_svc", "news_svc"]
    assert service.get_removal(removal) == {**expected, "left": keepers}
    for keeper in keepers:
        service.confirm_removal(removal, keeper)
    assert service.get_removal(removal) is None


@pytest.mark.parametrize("value", ["", None, 7, "bob"])
def test_what_is_no_removal_is_refused(service, value):
    with pytest.raises(InvalidInput) as refusal:
        service.get_removal(value)
    assert refusal.value.code == "invalid_removal"


def test_a_person_sees_what_is_known_of_them(service):
    service.sign_in(BOB)
    profile = service.get_profile("bob")
    assert datetime.fromisoformat(profile.pop("created_at"))
    assert profile == {
        "username": "bob",
        "name": "Bob",
        "email": "b@x.org",
        "identities": [{"provider": "github", "login": "bob"}],
    }
