"""The tables of the user service."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

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

    __table_args__ = (
        Index("access_tokens_user_id_idx", "user_id"),
        CheckConstraint("octet_length(token_hash) = 32", name="access_tokens_token_hash"),
    )


class UsedTicketRow(Base):
    """A sign-in that has let somebody in, remembered for longer than a browser keeps it."""

    __tablename__ = "used_tickets"

    ticket: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[datetime] = mapped_column(_MOMENT)

    __table_args__ = (Index("used_tickets_used_at_idx", "used_at"),)
