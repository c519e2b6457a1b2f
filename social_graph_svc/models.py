"""The tables of the social graph service."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, String, Uuid, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database import idempotency
from chassis.outbox import OutboxLeaseMixin, OutboxMixin

# Pages go by name: the order must be the same on every server, whatever its locale.
_USERNAME = String(64, collation="C")


class Base(DeclarativeBase):
    """The tables that this service owns."""


class FollowRow(Base):
    """One person follows another."""

    __tablename__ = "follows"

    follower: Mapped[str] = mapped_column(_USERNAME, primary_key=True)
    followed: Mapped[str] = mapped_column(_USERNAME, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        CheckConstraint("follower <> followed", name="follows_not_oneself"),
        Index("follows_followed_follower_idx", "followed", "follower"),
    )


class FollowVersionRow(Base):
    """How often a person's follows have changed; its lock puts them, and blocks, in order."""

    __tablename__ = "follow_versions"

    follower: Mapped[str] = mapped_column(_USERNAME, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


class BlockRow(Base):
    """One person has blocked another; neither follows the other."""

    __tablename__ = "blocks"

    blocker: Mapped[str] = mapped_column(_USERNAME, primary_key=True)
    blocked: Mapped[str] = mapped_column(_USERNAME, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        CheckConstraint("blocker <> blocked", name="blocks_not_oneself"),
        Index("blocks_blocked_blocker_idx", "blocked", "blocker"),
    )


class ForgottenRow(Base):
    """A removal of a person that is finished here: the name may be another one's by now."""

    __tablename__ = "forgotten"

    removal: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    forgotten_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class IdempotencyKey(idempotency.KeyMixin, Base):
    """A write that is done once, and its answer."""

    __tablename__ = "idempotency_keys"


class OutboxEvent(OutboxMixin, Base):
    """An event that is committed with its follow and not yet in the stream."""

    __tablename__ = "outbox"


class OutboxLease(OutboxLeaseMixin, Base):
    """Which replica publishes the outbox now."""

    __tablename__ = "outbox_lease"
