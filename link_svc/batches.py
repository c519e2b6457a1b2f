"""Many new links of one person's in one statement."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Template
from typing import Any

from sqlalchemy.orm import Session

from chassis.database.direct import fetch
from chassis.database.prepared import statement
from chassis.errors import AlreadyExists, LimitExceeded, ServiceError
from chassis.outbox import Dispatch
from link_svc.domain import Link, NewLink
from link_svc.rows import link_exists, link_of, too_many_links, words
from link_svc.search.words import in_sql
from link_svc.statements import DOCUMENT, LINK, TURN

# What is taken is not asked with EXISTS: for that PostgreSQL may read all links of the owner once.
# In an owner's turn, which begins with it: nobody else changes what is looked at here. A link that
# is dated keeps its place among the others by that date.
_ADD_ALL = statement(
    "add_links",
    Template(
        """
    $lock;
    WITH given AS (
        SELECT * FROM ROWS FROM (jsonb_to_recordset(CAST(:links AS jsonb)) AS (
               url text, title text, description text, tags text[], visibility text, words text,
               created_at timestamptz, context jsonb)) WITH ORDINALITY
            AS given (url, title, description, tags, wanted, words, dated, context, place)
    ), judged AS (
        SELECT given.*, coalesce(wanted, default_visibility) AS visibility, link_count,
               (SELECT true FROM links WHERE links.owner = :owner
                   AND md5(links.url) = md5(given.url)) IS NOT NULL AS taken
          FROM given, owners WHERE owners.owner = :owner
    ), fresh AS (
        SELECT * FROM judged WHERE NOT taken ORDER BY place
         LIMIT (SELECT greatest(0, :quota - max(link_count)) FROM judged)
    ), turn AS (
        UPDATE owners
           SET link_count = owners.link_count + new.total,
               private_count = owners.private_count + new.private,
               public_count = owners.public_count + new.public,
               version = version + new.total - new.private,
               changed_at = greatest(clock_timestamp(), changed_at)
          FROM (SELECT count(*) AS total,
                       count(*) FILTER (WHERE visibility = 'private') AS private,
                       count(*) FILTER (WHERE visibility = 'public') AS public FROM fresh) AS new
         WHERE owner = :owner AND new.total > 0
        RETURNING version - new.total + new.private AS version, changed_at
    ), added AS (
        INSERT INTO links (owner, url, title, description, tags, visibility, created_at,
                           updated_at, words, words_at)
        SELECT :owner, url, title, description, tags, visibility,
               least(coalesce(dated, changed_at), changed_at), changed_at, $words, changed_at
          FROM fresh, turn ORDER BY place
        RETURNING $link
    ), tagged AS (
        INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)
        SELECT owner, unnest(tags), created_at, id, visibility FROM added
    ), link AS (
        SELECT added.*, fresh.context, row_number() OVER (ORDER BY added.id) AS place
          FROM added JOIN fresh USING (url) WHERE added.visibility <> 'private'
    ), event AS (
        INSERT INTO outbox (event_id, type, subject, data)
        SELECT gen_random_uuid(), 'link.added', link.owner,
               jsonb_build_object('link', $document, 'version', turn.version + link.place)
               || link.context
          FROM turn, link ORDER BY link.place
    )
    SELECT judged.taken, added.* FROM judged LEFT JOIN added USING (url) ORDER BY judged.place
    """
    ).substitute(lock=TURN, words=in_sql("words", "visibility"), link=LINK, document=DOCUMENT),
)


Context = Mapping[str, Any]  # what an event says besides


class Batch:
    """New links of one owner as the statement takes them: made beforehand, where there is time.

    ``contexts`` are those of the events, one for each.
    """

    def __init__(
        self,
        news: Sequence[NewLink],
        contexts: Sequence[Context],
        dates: Mapping[str, datetime | None] | None = None,
    ) -> None:
        self.news = news
        self.digests = [_digest(new) for new in news]
        documents: dict[bytes, dict[str, Any]] = {}
        for new, digest, context in zip(news, self.digests, contexts, strict=True):
            if digest not in documents:
                documents[digest] = _document(new, dates or {}, context)
        self.distinct = list(documents)
        self.json = json.dumps(list(documents.values()))


class Batches:
    """Add many links at once: one message, also where it is a part of a transaction."""

    session: Session
    dispatch: Dispatch

    def context(self) -> Context:
        """Return what the events of this worker say besides."""
        return self.dispatch.inline()

    def add_all(
        self, news: Sequence[NewLink], quota: int, contexts: Sequence[Context] = ()
    ) -> list[Link | ServiceError]:
        """Add an owner's links as if one by one; return each, or why it was refused.

        With ``contexts``, one for each, their events say those, and not this worker's.
        """
        return self.add_batch(Batch(news, contexts or [self.context()] * len(news)), quota)

    def add_batch(self, batch: Batch, quota: int) -> list[Link | ServiceError]:
        """Add links that are ready; return what ``add_all`` returns."""
        if not batch.news:
            return []
        values = {"owner": batch.news[0].key.owner, "links": batch.json, "quota": quota}
        rows = fetch(self.session, _ADD_ALL, values)
        found: dict[bytes, Any] = dict(zip(batch.distinct, rows, strict=True))
        results: list[Link | ServiceError] = []
        for digest in batch.digests:
            row = found.get(digest)
            if row is None:
                results.append(link_exists())
                continue
            results.append(_result(row, quota))
            if row.id is not None:  # whoever comes with the same URL again comes second
                found[digest] = None
        return results


def _result(row: Any, quota: int) -> Link | AlreadyExists | LimitExceeded:
    if row.id is not None:
        return link_of(row)
    return link_exists() if row.taken else too_many_links(quota)


def _digest(new: NewLink) -> bytes:
    """Return what the database knows a URL by."""
    return hashlib.md5(new.key.url.encode(), usedforsecurity=False).digest()


def _document(
    new: NewLink, dates: Mapping[str, datetime | None], context: Context
) -> dict[str, Any]:
    date = dates.get(new.key.url)
    return {
        "url": new.key.url,
        "title": new.title,
        "description": new.description,
        "tags": sorted(new.tags),
        "visibility": new.visibility,
        "words": words(new.key.owner, new.key.url, new),
        "created_at": date.isoformat() if date else None,
        "context": context,
    }
