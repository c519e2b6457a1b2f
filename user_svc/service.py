"""User service: who people are, and the tokens that speak for them."""

from contextlib import suppress

from nameko.rpc import rpc
from nameko.timer import timer

from chassis import config, errors, health, outbox
from chassis.database import Store
from chassis.errors import ServiceError
from user_svc import domain, schemas, token_schemas, tokens
from user_svc.models import Base, OutboxEvent, OutboxLease
from user_svc.store import UserStore


class UserService(health.Health):
    """Own users and access tokens: sign people in, say who is calling, and let people leave."""

    name = "user_svc"

    users: UserStore = Store(
        UserStore, Base, events=outbox.EventDispatcher("user-events", OutboxEvent, OutboxLease)
    )
    session_days: int = config.positive_int("ACCESS_TOKEN_DAYS")
    personal_days: int = config.positive_int("PERSONAL_TOKEN_DAYS")
    most_tokens: int = config.positive_int("MAX_TOKENS_PER_USER")
    sign_up_open: bool = config.Setting(lambda key: config.boolean(key, True), "SIGN_UP_OPEN")
    grace_seconds: float = config.Setting(config.positive, "REMOVAL_GRACE_SECONDS")

    @rpc(expected_exceptions=ServiceError, sensitive_arguments="identity.email")
    def sign_in(self, identity: schemas.IdentityDoc, ticket: str = "") -> schemas.SignedInDoc:
        """Begin a session of a person whom the identity provider has vouched for.

        The first time makes the user, unless sign-up is closed. ``ticket`` names this one
        sign-in, which is good once. Raise ``invalid_identity``, ``invalid_text``,
        ``invalid_ticket``, ``invalid_state``, ``sign_up_closed`` or ``account_being_removed``.
        """
        person, used = schemas.identity(identity), domain.ticket(ticket)
        token = tokens.AccessToken.new(days=self.session_days, now=domain.now())
        user = self.users.sign_in(
            person, token, used, newcomers=self.sign_up_open, most=self.most_tokens
        )
        return schemas.dump_signed_in(user, token)

    @rpc(expected_exceptions=ServiceError, sensitive_arguments="access_token")
    def verify_token(self, access_token: str) -> token_schemas.GrantDoc:
        """Say who is calling; raise ``access_denied``."""
        grant = self.users.verify(tokens.token_hash(access_token), domain.now())
        return token_schemas.dump_grant(grant)

    @rpc(expected_exceptions=ServiceError, sensitive_arguments="access_token")
    def revoke_token(self, access_token: str) -> None:
        """Make a token good for nothing; one that is unknown is so already."""
        with suppress(errors.Unauthenticated):
            self.users.revoke(tokens.token_hash(access_token))

    @rpc(expected_exceptions=ServiceError)
    def add_token(
        self, username: str, token: token_schemas.NewTokenDoc
    ) -> token_schemas.MadeTokenDoc:
        """Make a personal token; raise ``missing_name``, ``too_many_tokens`` and others."""
        made = token_schemas.new_token(token, domain.now(), self.personal_days)
        self.users.add_token(schemas.username(username), made, self.most_tokens)
        return token_schemas.dump_made(made)

    @rpc(expected_exceptions=ServiceError)
    def get_tokens(self, username: str) -> list[token_schemas.TokenDoc]:
        """List somebody's good tokens, sessions among them, the newest first."""
        kept = self.users.get_tokens(schemas.username(username), domain.now())
        return list(map(token_schemas.dump_token, kept))

    @rpc(expected_exceptions=ServiceError)
    def delete_token(self, username: str, token_id: str) -> str:
        """Make one of somebody's tokens good for nothing; return its kind, or ``no_such_token``."""
        wanted = token_schemas.token_id(token_id)
        return self.users.delete_token(schemas.username(username), wanted).value

    @rpc(expected_exceptions=ServiceError)
    def delete_tokens(self, username: str, kind: str = "") -> int:
        """Make somebody's tokens good for nothing, all or of one kind; return how many."""
        kinds = token_schemas.kinds(kind)
        return self.users.delete_tokens(schemas.username(username), kinds)

    @rpc(expected_exceptions=ServiceError)
    def get_user(self, username: str) -> schemas.UserDoc:
        """Look a user up, in whatever case the name is written; raise ``no_such_user``."""
        return schemas.dump_user(self.users.get(schemas.username(username)))

    @rpc(expected_exceptions=ServiceError)
    def get_profile(self, username: str) -> schemas.ProfileDoc:
        """Tell a person what is known of them; raise ``no_such_user``."""
        return schemas.dump_profile(self.users.profile(schemas.username(username)))

    @rpc(expected_exceptions=ServiceError)
    def remove_user(self, username: str, confirm: str) -> None:
        """Remove a person here, and have everybody do so; raise ``not_confirmed``."""
        domain.check_confirmation(schemas.username(username), confirm)
        self.users.remove(username, domain.now())

    @rpc(expected_exceptions=ServiceError)
    def get_removal(self, removal: str) -> schemas.RemovalDoc | None:
        """Say whom an event of ``user-events`` means; nothing of one that is finished."""
        found = self.users.removal(schemas.removal_id(removal))
        return schemas.dump_removal(found, domain.now(), self.grace_seconds)

    @rpc(expected_exceptions=ServiceError)
    def confirm_removal(self, removal: str, service: str) -> None:
        """Note that a service keeps nothing any more of whom it was told; may be repeated."""
        self.users.confirm(schemas.removal_id(removal), service)

    @timer(interval=60, expected_exceptions=ServiceError)
    def tell_again(self) -> None:
        """Tell again of removals that take long."""
        self.users.tell_again(domain.now())
