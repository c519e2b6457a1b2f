"""The tables of the user service."""

import uuid
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.outbox import OutboxLeaseMixin, OutboxMixin

# Names are ASCII and sort the same everywhere, whatever the locale of the server.
_USERNAME = String(64, collation="C")
_MOMENT = DateTime(timezone=True)


class Base(DeclarativeBase):
    """The tables that this service owns."""


class UserRow(Base):
    """A person."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    username: Mapped[str] = mapped_column(_USERNAME)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_MOMENT)

    __table_args__ = (
        CheckConstraint("username ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'", name="users_username"),
    )


# Two people's names differ in more than case.
Index("users_username_key", func.lower(UserRow.username), unique=True)


class IdentityRow(Base):
    """A person as an identity provider knows them; ``login`` is what it called them last."""

    __tablename__ = "identities"

    provider: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    login: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))

    __table_args__ = (Index("identities_user_id_idx", "user_id"),)


class TokenRow(Base):
    """An access token that has not been revoked, without the secret itself."""

    __tablename__ = "access_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(_MOMENT)
    expires_at: Mapped[datetime] = mapped_column(_MOMENT)
    last_used_at: Mapped[datetime] = mapped_column(_MOMENT)
    id: Mapped[uuid.UUID] = mapped_column(Uuid, server_default=text("gen_random_uuid()"))
    kind: Mapped[str] = mapped_column(Text, server_default=text("'session'"))
    name: Mapped[str] = mapped_column(Text, server_default=text("''"))
    scopes: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{read,write,account}'")
    )

    __table_args__ = (
        Index("access_tokens_user_id_idx", "user_id"),
        Index("access_tokens_id_key", "id", unique=True),
        CheckConstraint("octet_length(token_hash) = 32", name="access_tokens_token_hash"),
    )


class UsedTicketRow(Base):
    """A sign-in that has let somebody in, remembered for longer than a browser keeps it."""

    __tablename__ = "used_tickets"

    ticket: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[datetime] = mapped_column(_MOMENT)

    __table_args__ = (Index("used_tickets_used_at_idx", "used_at"),)


class RemovalRow(Base):
    """A user who has left, until every service has said that it keeps nothing of them."""

    __tablename__ = "removals"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    removed_at: Mapped[datetime] = mapped_column(_MOMENT)
    told_at: Mapped[datetime] = mapped_column(_MOMENT)
    left: Mapped[list[str]] = mapped_column("left_services", ARRAY(Text))

    __table_args__ = (Index("removals_user_id_key", "user_id", unique=True),)


class OutboxEvent(OutboxMixin, Base):
    """An event that is committed with its removal and not yet in the stream."""

    __tablename__ = "outbox"


class OutboxLease(OutboxLeaseMixin, Base):
    """Which replica publishes the outbox now."""

    __tablename__ = "outbox_lease"
