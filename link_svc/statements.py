"""The SQL of link_svc: each change of a link is one statement."""

from sqlalchemy import text

from link_svc.search.words import in_sql

# What is read of a link: all but its words.
LINK = (
    "links.id, owner, url, title, description, tags, status, links.visibility,"
    " links.created_at, updated_at, revision"
)

# In each change the owner's row comes first. From then on, until the commit, the owner's other
# changes wait: the count is exact, the version has no gaps, and the clock, read under that lock
# and never set back, makes rows visible in the order of their keys, as paging by key needs.
#
# Versions begin at the clock in milliseconds, not at 1: an owner whose row was lost, with a
# database that was restored from a backup, goes on above the versions that the stream has seen.
#
# A change of which nobody else is told takes no version: readers look for what they lack.
ADD = text(
    f"""
    WITH turn AS (
        INSERT INTO owners AS o
               (owner, link_count, private_count, public_count, version, changed_at)
        VALUES (:owner, 1,
                (coalesce(CAST(:visibility AS text), 'followers') = 'private')::int,
                (coalesce(CAST(:visibility AS text), 'followers') = 'public')::int,
                CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint), clock_timestamp())
        ON CONFLICT (owner) DO UPDATE
           SET link_count = o.link_count + 1,
               private_count = o.private_count
                   + (coalesce(:visibility, o.default_visibility) = 'private')::int,
               public_count = o.public_count
                   + (coalesce(:visibility, o.default_visibility) = 'public')::int,
               version = o.version
                   + (coalesce(:visibility, o.default_visibility) <> 'private')::int,
               changed_at = greatest(clock_timestamp(), o.changed_at)
         WHERE o.link_count < :quota
        RETURNING version, changed_at, coalesce(:visibility, default_visibility) AS visibility
    ), link AS (
        INSERT INTO links
               (owner, url, title, description, tags, visibility, created_at, updated_at,
                words, words_at)
        SELECT :owner, :url, :title, :description, CAST(:tags AS text[]), visibility,
               changed_at, changed_at, {in_sql(":words", "visibility")}, changed_at
          FROM turn
        ON CONFLICT (owner, md5(url)) DO NOTHING
        RETURNING {LINK}
    ), tagged AS (
        INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)
        SELECT owner, unnest(tags), created_at, id, visibility FROM link
    )
    SELECT turn.version, link.* FROM turn LEFT JOIN link ON true
    """
)

EXISTS = text("SELECT 1 FROM links WHERE owner = :owner AND md5(url) = md5(:url)")

GET = text(f"SELECT {LINK} FROM links WHERE owner = :owner AND md5(url) = md5(:url) AND url = :url")

LOCK = text(
    f"""
    SELECT {LINK} FROM owners JOIN links USING (owner)
     WHERE owner = :owner AND md5(url) = md5(:url) AND url = :url
       FOR UPDATE
    """
)

UPDATE = text(
    f"""
    WITH turn AS (
        UPDATE owners
           SET version = version + :told, private_count = private_count + :private,
               public_count = public_count + :public,
               changed_at = greatest(clock_timestamp(), changed_at)
         WHERE owner = :owner
        RETURNING version, changed_at
    ), link AS (
        UPDATE links
           SET title = :title, description = :description, tags = CAST(:tags AS text[]),
               visibility = :visibility, updated_at = turn.changed_at,
               revision = links.revision + 1,
               words = {in_sql(":words", "CAST(:visibility AS text)")}, words_at = turn.changed_at
          FROM turn WHERE id = :id
        RETURNING {LINK}
    ), untagged AS (
        DELETE FROM link_tags WHERE link_id = :id AND tag = ANY(CAST(:gone AS text[]))
    ), shown AS (
        UPDATE link_tags SET visibility = :visibility
         WHERE link_id = :id AND visibility <> :visibility
           AND tag <> ALL(CAST(:gone AS text[]))
    ), tagged AS (
        INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)
        SELECT owner, unnest(CAST(:come AS text[])), created_at, id, visibility FROM link
    )
    SELECT turn.version, link.* FROM turn, link
    """
)

DELETE = text(
    """
    WITH turn AS (
        UPDATE owners
           SET link_count = link_count - 1, version = version + :told,
               private_count = private_count + :private, public_count = public_count + :public,
               changed_at = greatest(clock_timestamp(), changed_at)
         WHERE owner = :owner
        RETURNING version
    ), link AS (
        DELETE FROM links WHERE id = :id
    )
    SELECT version FROM turn
    """
)

# The tag with the fewest links to list, counted no further than it matters.
RAREST = text(
    """
    SELECT tag FROM unnest(CAST(:tags AS text[])) AS wanted (tag)
     ORDER BY (SELECT count(*) FROM (SELECT FROM link_tags
                WHERE owner = :owner AND link_tags.tag = wanted.tag
                  AND visibility = ANY(CAST(:visibilities AS text[])) LIMIT 1000) AS found)
     LIMIT 1
    """
)

OWNER = text("SELECT * FROM owners WHERE owner = :owner")

SET_DEFAULT_VISIBILITY = text(
    """
    INSERT INTO owners AS o (owner, link_count, version, changed_at, default_visibility)
    VALUES (:owner, 0, CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint),
            clock_timestamp(), :visibility)
    ON CONFLICT (owner) DO UPDATE SET default_visibility = :visibility
    """
)
