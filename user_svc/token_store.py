"""Access tokens in PostgreSQL."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from chassis.database.transactions import each_statement_alone
from user_svc import tokens
from user_svc.domain import no_such_user
from user_svc.models import RemovalRow, TokenRow, UserRow
from user_svc.tokens import Kind, Scope

# Asked for with every request: made once, as that takes longer than asking.
_GRANT = (
    select(
        UserRow.username,
        TokenRow.expires_at,
        TokenRow.last_used_at,
        TokenRow.id,
        TokenRow.kind,
        TokenRow.scopes,
    )
    .join(UserRow, UserRow.id == TokenRow.user_id)
    .where(TokenRow.token_hash == bindparam("token_hash"), TokenRow.expires_at > bindparam("now"))
)


class TokenStore:
    """Takes and returns domain values; each public method is one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def verify(self, token_hash: bytes, now: datetime) -> tokens.Grant:
        """Return whom a token speaks for; raise ``access_denied`` if it is not good now."""
        with each_statement_alone(self.session):
            found = self.session.execute(
                _GRANT, {"token_hash": token_hash, "now": now}
            ).one_or_none()
            if found is None:
                raise tokens.access_denied()
            if found.last_used_at <= now - tokens.USED_AGAIN_AFTER:
                self._note_use(token_hash, now)
            kind, scopes = Kind(found.kind), _scopes(found.scopes)
            return tokens.Grant(found.username, found.expires_at, found.id, kind, scopes)

    def revoke(self, token_hash: bytes) -> None:
        """Forget a token, if it is known."""
        with self.session.begin():
            self.session.execute(delete(TokenRow).where(TokenRow.token_hash == token_hash))

    def add_token(self, username: str, token: tokens.AccessToken, most: int) -> None:
        """Keep a personal token; raise ``too_many_tokens`` or ``no_such_user``."""
        with self.session.begin():
            user = self._locked(username)
            self._drop_expired(user.id, token.created_at)
            count = select(func.count()).where(
                TokenRow.user_id == user.id, TokenRow.kind == token.kind
            )
            if self.session.scalars(count).one() >= most:
                raise tokens.too_many_tokens(most)
            self._keep(token, user.id)

    def get_tokens(self, username: str, now: datetime) -> list[tokens.KeptToken]:
        """Return somebody's good tokens, the newest first."""
        query = (
            select(*TokenRow.__table__.c)
            .join(UserRow, UserRow.id == TokenRow.user_id)
            .where(UserRow.username == username, TokenRow.expires_at > now)
            .order_by(TokenRow.created_at.desc(), TokenRow.id)
        )
        with each_statement_alone(self.session):
            return [_kept(row) for row in self.session.execute(query)]

    def delete_token(self, username: str, token_id: uuid.UUID) -> Kind:
        """Forget one of somebody's tokens and return its kind; raise ``no_such_token``."""
        statement = delete(TokenRow).where(*_of(username), TokenRow.id == token_id)
        with self.session.begin():
            kind = self.session.scalar(statement.returning(TokenRow.kind))
            if kind is None:
                raise tokens.no_such_token()
            return Kind(kind)

    def delete_tokens(self, username: str, kinds: Sequence[Kind]) -> int:
        """Forget all of somebody's tokens of these kinds; return how many they were."""
        statement = delete(TokenRow).where(*_of(username), TokenRow.kind.in_(kinds))
        with self.session.begin():
            return len(self.session.scalars(statement.returning(TokenRow.id)).all())

    def _locked(self, username: str) -> UserRow:
        """Return a user whose tokens and account nobody else changes until the commit."""
        gone = select(RemovalRow.id).where(RemovalRow.user_id == UserRow.id).exists()
        query = select(UserRow).where(UserRow.username == username).with_for_update()
        user = self.session.scalar(query)
        if user is None or self.session.scalar(select(gone).where(UserRow.id == user.id)):
            raise no_such_user()
        return user

    def _drop_expired(self, user_id: int, now: datetime) -> None:
        expired = delete(TokenRow).where(TokenRow.user_id == user_id, TokenRow.expires_at <= now)
        self.session.execute(expired)

    def _keep_session(self, token: tokens.AccessToken, user_id: int, most: int) -> None:
        """Keep a session; of too many, those end that were used least recently."""
        self._drop_expired(user_id, token.created_at)
        sessions = (
            select(TokenRow.token_hash)
            .where(TokenRow.user_id == user_id, TokenRow.kind == Kind.SESSION)
            .order_by(TokenRow.last_used_at.desc(), TokenRow.created_at.desc())
            .offset(most - 1)
        )
        self.session.execute(delete(TokenRow).where(TokenRow.token_hash.in_(sessions)))
        self._keep(token, user_id)

    def _keep(self, token: tokens.AccessToken, user_id: int) -> None:
        self.session.add(
            TokenRow(
                token_hash=token.hash,
                user_id=user_id,
                created_at=token.created_at,
                expires_at=token.expires_at,
                last_used_at=token.created_at,
                id=token.id,
                kind=token.kind,
                name=token.name,
                scopes=list(token.scopes),
            )
        )

    def _note_use(self, token_hash: bytes, now: datetime) -> None:
        """Record a use, unless a parallel call has done so."""
        self.session.execute(
            update(TokenRow)
            .where(
                TokenRow.token_hash == token_hash,
                TokenRow.last_used_at <= now - tokens.USED_AGAIN_AFTER,
            )
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )


def _of(username: str) -> tuple[Any, ...]:
    return (TokenRow.user_id == UserRow.id, UserRow.username == username)


def _scopes(names: Sequence[str]) -> tuple[Scope, ...]:
    return tuple(scope for scope in Scope if scope in names)


def _kept(row: Row[Any]) -> tokens.KeptToken:
    return tokens.KeptToken(
        row.id,
        Kind(row.kind),
        row.name,
        _scopes(row.scopes),
        row.created_at,
        row.last_used_at,
        row.expires_at,
    )
