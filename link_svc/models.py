"""The tables that link_svc owns; the limits that the database repeats stand in the migrations."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis import outbox
from chassis.database import idempotency

# Compared byte by byte, the same on every server whatever its locale.
_NAME = Text(collation="C")


class Base(DeclarativeBase):
    """What this service keeps in its database."""


class Owner(Base):
    """The counters of a person's links.

    Every change begins with an update of this row. Its lock puts one owner's changes in a row,
    while different owners never wait for each other.
    """

    __tablename__ = "owners"

    owner: Mapped[str] = mapped_column(_NAME, primary_key=True)
    link_count: Mapped[int] = mapped_column(Integer)
    private_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    public_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    default_visibility: Mapped[str] = mapped_column(Text, server_default=text("'followers'"))
    version: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Link(Base):
    """A link; ``created_at`` and ``id`` grow in the order in which its owner's adds commit."""

    __tablename__ = "links"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    owner: Mapped[str] = mapped_column(_NAME)
    url: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[str] = mapped_column(Text, server_default=text("'pending'"))
    visibility: Mapped[str] = mapped_column(Text, server_default=text("'followers'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    # The words of the link as it was when updated_at was this; see link_svc.search.filling.
    words: Mapped[str | None] = mapped_column(TSVECTOR)
    words_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        # The URL itself may be 8 kB of UTF-8, and a B-tree takes no key above 2.7 kB.
        Index("links_owner_url_key", "owner", func.md5(url), unique=True),
        Index("links_owner_created_at_idx", "owner", "created_at", "id"),
        Index("links_owner_visibility_idx", "owner", "visibility", "created_at", "id"),
        Index(
            "links_words_idx",
            "words",
            postgresql_using="gin",
            # Put in 128 kB at a time: that much each search reads beside the index.
            postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "128"},
        ),
        Index(
            "links_without_words_idx",
            "id",
            postgresql_where=text("words_at IS DISTINCT FROM updated_at"),
        ),
    )


class LinkTag(Base):
    """An index entry: the tag's links in listing order, so that a page is one range scan."""

    __tablename__ = "link_tags"

    owner: Mapped[str] = mapped_column(_NAME, primary_key=True)
    tag: Mapped[str] = mapped_column(_NAME, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    link_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("links.id", ondelete="CASCADE"), primary_key=True
    )
    visibility: Mapped[str] = mapped_column(Text, server_default=text("'followers'"))

    __table_args__ = (
        Index("link_tags_link_id_idx", "link_id"),
        Index("link_tags_visibility_idx", "owner", "tag", "visibility", "created_at", "link_id"),
    )


class Forgotten(Base):
    """A removal of a person that is finished here: the name may be another one's by now."""

    __tablename__ = "forgotten"

    removal: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    forgotten_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class Import(Base):
    """A file of links that is brought in; ``holder`` is who works on it, and until when."""

    __tablename__ = "imports"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    owner: Mapped[str] = mapped_column(_NAME)
    state: Mapped[str] = mapped_column(Text)
    update_existing: Mapped[bool] = mapped_column(Boolean)
    visibility: Mapped[str] = mapped_column(Text)
    pieces: Mapped[int] = mapped_column(Integer, server_default="0")
    done: Mapped[int] = mapped_column(Integer, server_default="0")
    added: Mapped[int] = mapped_column(Integer, server_default="0")
    updated: Mapped[int] = mapped_column(Integer, server_default="0")
    skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    total: Mapped[int | None] = mapped_column(Integer)
    errors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    holder: Mapped[str] = mapped_column(Text, server_default="")
    held_until: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index("imports_owner_idx", "owner", "created_at"),
        Index(
            "imports_open_key",
            "owner",
            unique=True,
            postgresql_where=text("state IN ('receiving', 'waiting', 'running')"),
        ),
    )


class ImportPiece(Base):
    """A piece of a file that is still to be imported."""

    __tablename__ = "import_pieces"

    import_id: Mapped[uuid.UUID] = mapped_column(
        Uuid, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class OutboxEvent(outbox.OutboxMixin, Base):
    """An event that is not published yet."""

    __tablename__ = "outbox"


class OutboxLease(outbox.OutboxLeaseMixin, Base):
    """Which replica publishes."""

    __tablename__ = "outbox_lease"


class IdempotencyKey(idempotency.KeyMixin, Base):
    """A write that is done once, and its answer."""

    __tablename__ = "idempotency_keys"
