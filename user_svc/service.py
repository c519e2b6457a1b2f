"""User service: who people are, and the tokens that speak for them."""

from contextlib import suppress

from nameko.rpc import rpc

from chassis import config, errors, health
from chassis.database import Store
from chassis.errors import ServiceError
from user_svc import domain, schemas
from user_svc.models import Base
from user_svc.store import UserStore


class UserService(health.Health):
    """Own users and access tokens: sign people in, say who is calling, sign them out."""

    name = "user_svc"

    users: UserStore = Store(UserStore, Base)
    token_days: int = config.positive_int("ACCESS_TOKEN_DAYS")
    sign_up_open: bool = config.Setting(lambda key: config.boolean(key, True), "SIGN_UP_OPEN")

    @rpc(expected_exceptions=ServiceError, sensitive_arguments="identity.email")
    def sign_in(self, identity: schemas.IdentityDoc, ticket: str = "") -> schemas.SignedInDoc:
        """Give a token to a person whom the identity provider has vouched for.

        The first time makes the user, unless sign-up is closed. ``ticket`` names this one
        sign-in, which is good once. Raise ``invalid_identity``, ``invalid_text``,
        ``invalid_ticket``, ``invalid_state`` or ``sign_up_closed``.
        """
        person, used = schemas.identity(identity), domain.ticket(ticket)
        token = domain.AccessToken.new(days=self.token_days, now=domain.now())
        user = self.users.sign_in(person, token, used, newcomers=self.sign_up_open)
        return schemas.dump_signed_in(user, token)

    @rpc(expected_exceptions=ServiceError, sensitive_arguments="access_token")
    def verify_token(self, access_token: str) -> schemas.GrantDoc:
        """Say who is calling; raise ``access_denied``."""
        grant = self.users.verify(domain.token_hash(access_token), domain.now())
        return schemas.dump_grant(grant)

    @rpc(expected_exceptions=ServiceError, sensitive_arguments="access_token")
    def revoke_token(self, access_token: str) -> None:
        """Make a token good for nothing; one that is unknown is so already."""
        with suppress(errors.Unauthenticated):
            self.users.revoke(domain.token_hash(access_token))

    @rpc(expected_exceptions=ServiceError)
    def get_user(self, username: str) -> schemas.UserDoc:
        """Look a user up, in whatever case the name is written; raise ``no_such_user``."""
        return schemas.dump_user(self.users.get(schemas.username(username)))
