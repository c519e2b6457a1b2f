"""The words of links that have none, or old ones: those that a release before 0.2 has written.

Such a release knows nothing of words. A link that it adds has none, and when it changes one, the
words are those of another ``updated_at``. An index holds these links alone, so that to look for
them costs nothing where there are none.
"""

import time

from sqlalchemy import text
from sqlalchemy.orm import Session

from link_svc.search.words import Text, in_sql, tsvector

FILL_SECONDS = 5  # between two turns of each replica, and for how long a turn goes on at most
_AT_ONCE = 200

_TAKE = text(
    """
    SELECT id, owner, url, title, description, tags FROM links
     WHERE words_at IS DISTINCT FROM updated_at
     ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    """
)
_FILL = text(
    f"""
    UPDATE links SET words = {in_sql("found.words", "visibility")}, words_at = updated_at
      FROM unnest(CAST(:ids AS bigint[]), CAST(:words AS text[])) AS found (id, words)
     WHERE links.id = found.id
    """
)


class Filling:
    """Fill in the words of links; replicas share the work."""

    session: Session

    def fill_words(self, seconds: float = FILL_SECONDS) -> int:
        """Fill in what is missing, for no longer than this; return how many links."""
        end = time.monotonic() + seconds
        filled = 0
        while some := self._fill_some():
            filled += some
            if some < _AT_ONCE or time.monotonic() > end:
                break
        return filled

    def _fill_some(self) -> int:
        with self.session.begin():
            rows = self.session.execute(_TAKE, {"most": _AT_ONCE}).all()
            if rows:
                words = [
                    tsvector(Text(row.owner, row.url, row.title, row.description, row.tags))
                    for row in rows
                ]
                self.session.execute(_FILL, {"ids": [row.id for row in rows], "words": words})
            return len(rows)
