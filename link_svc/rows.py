"""Rows of links as domain values, and why there is none."""

from datetime import datetime

from chassis.database.direct import Row
from chassis.errors import AlreadyExists, LimitExceeded
from link_svc.domain import Link, NewLink, Status, rfc3339
from link_svc.search.words import Text, tsvector
from link_svc.visibility import Visibility


def link_of(row: Row) -> Link:
    """Return the link of a row."""
    return Link(
        owner=row.owner,
        url=row.url,
        title=row.title,
        description=row.description,
        tags=tuple(row.tags),
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=Status(row.status),
        visibility=Visibility(row.visibility),
        version=f"{row.id}-{row.revision}",
    )


def link_exists() -> AlreadyExists:
    """Return the refusal of a URL that is there."""
    return AlreadyExists("link_exists", "You have a link with this URL already.", "url")


def too_many_links(quota: int) -> LimitExceeded:
    """Return the refusal of a link beyond the quota."""
    return LimitExceeded("too_many_links", f"You have {quota} links, the most one can have.")


def words(owner: str, url: str, link: NewLink | Link) -> str:
    """Return what is kept of a link for searches."""
    return tsvector(Text(owner, url, link.title, link.description, link.tags))


def moment(text: str) -> str:
    """Return a time that is ``direct.TIME_AS_TEXT`` as ``domain.rfc3339`` does."""
    if text.endswith("+00"):  # PostgreSQL leaves zeros out
        return f"{text[:10]}T{text[11:19]}.{text[20:-3]:0<6}Z"
    return rfc3339(datetime.fromisoformat(text))
