"""The SQL of link_svc: each change of a link is one message to the database, event included."""

from string import Template

from chassis.database.key_statements import Inline
from chassis.database.prepared import Prepared, statement
from link_svc.search.words import in_sql

# What is read of a link: all but its words.
LINK = (
    "links.id, owner, url, title, description, tags, status, links.visibility,"
    " links.created_at, updated_at, revision"
)

# In each change the owner's row comes first. From then on, until the commit, the owner's other
# changes wait: the count is exact, the version has no gaps, and the clock, read under that lock
# and never set back, makes rows visible in the order of their keys, as paging by key needs.
# What is sent at once, outside a transaction, is one: that lock is held for no round trip. A second
# statement in it sees all that the first has waited for. (In one statement the checks of a table
# would judge values from before the wait, although others are written in the end.)
#
# Versions begin at the clock in milliseconds, not at 1: an owner whose row was lost, with a
# database that was restored from a backup, goes on above the versions that the stream has seen.
#
# A change of which nobody else is told takes no version: readers look for what they lack.

# domain.Link.document(), of a row that is called link.
_TIME = """to_char(link.{} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"')"""
DOCUMENT = Template(
    """
    jsonb_build_object(
        'url', link.url, 'title', link.title, 'description', link.description,
        'tags', to_jsonb(link.tags), 'status', link.status, 'visibility', link.visibility,
        'created_at', $created_at, 'updated_at', $updated_at,
        'version', link.id || '-' || link.revision)
    """
).substitute(created_at=_TIME.format("created_at"), updated_at=_TIME.format("updated_at"))


_WAIT = "SELECT FROM owners WHERE owner = :owner FOR UPDATE"


# The event of a change: of a link, in an owner's turn; see chassis.outbox.Dispatch.inline.
_EVENT = Template(
    """
        INSERT INTO outbox (event_id, type, subject, data)
        SELECT gen_random_uuid(), $type, link.owner,
               jsonb_build_object('link', $told, 'version', turn.version)
               || CAST(:context AS jsonb)
          FROM turn, link
    """
)


def _sql(
    title: str,
    template: str,
    type_: str,
    told: str = DOCUMENT,
    visibility: str = "visibility",
    **parts: str,
) -> Prepared:
    """Put a statement together; all but the template is SQL.

    An event of the type tells of ``told``; the words are those for a visibility.
    """
    event = _EVENT.substitute(type=type_, told=told)
    words = in_sql(":words", visibility)
    return statement(
        title,
        Template(template).substitute(event=event, wait=_WAIT, link=LINK, words=words, **parts),
    )


# Where the same URL comes in between, the last INSERT fails, and with it the statement.
_ADD = """
    $take
    WITH turn AS (
        INSERT INTO owners AS o
               (owner, link_count, private_count, public_count, version, changed_at)
        SELECT :owner, 1,
               (coalesce(CAST(:visibility AS text), 'followers') = 'private')::int,
               (coalesce(CAST(:visibility AS text), 'followers') = 'public')::int,
               CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint), clock_timestamp()
         $free
        ON CONFLICT (owner) DO UPDATE
           SET link_count = o.link_count + 1,
               private_count = o.private_count
                   + (coalesce(:visibility, o.default_visibility) = 'private')::int,
               public_count = o.public_count
                   + (coalesce(:visibility, o.default_visibility) = 'public')::int,
               version = o.version
                   + (coalesce(:visibility, o.default_visibility) <> 'private')::int,
               changed_at = greatest(clock_timestamp(), o.changed_at)
         WHERE o.link_count < :quota AND NOT EXISTS (
               SELECT FROM links WHERE owner = :owner AND md5(url) = md5(:url))
        RETURNING version, changed_at, coalesce(:visibility, default_visibility) AS visibility
    ), link AS (
        INSERT INTO links
               (owner, url, title, description, tags, visibility, created_at, updated_at,
                words, words_at)
        SELECT :owner, :url, :title, :description, CAST(:tags AS text[]), visibility,
               changed_at, changed_at, $words, changed_at
          FROM turn
        RETURNING $link
    ), tagged AS (
        INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)
        SELECT owner, unnest(tags), created_at, id, visibility FROM link
    ), event AS (
        $event WHERE link.visibility <> 'private'
    ) $kept
    SELECT * FROM link
    """
ADD = _sql("add_link", _ADD, "'link.added'", take="", free="", kept="")

# For a key: done if it is free, with the answer for the next time.
_KEYS = Inline("idempotency_keys")
_ANSWER = f"jsonb_build_object('result', {DOCUMENT})"
ADD_ONCE = _sql(
    "add_link_once",
    _ADD,
    "'link.added'",
    take=f"{_KEYS.take};",
    free=f"WHERE {_KEYS.free}",
    kept=f", kept AS ({_KEYS.keep(_ANSWER, 'FROM link')})",
)

# Why a link was not added; neither, where there is room by now.
REFUSAL = statement(
    "refuse_link",
    """
    SELECT EXISTS (SELECT FROM links WHERE owner = :owner AND md5(url) = md5(:url)) AS exists,
           EXISTS (SELECT FROM owners WHERE owner = :owner AND link_count >= :quota) AS full
    """,
)

GET = statement(
    "get_link",
    f"SELECT {LINK} FROM links WHERE owner = :owner AND md5(url) = md5(:url) AND url = :url",
)

# Begins several changes of one owner's: what they look at afterwards stays as it is.
TURN = """
    INSERT INTO owners AS o (owner, link_count, version, changed_at)
    VALUES (:owner, 0, CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint),
            clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET changed_at = o.changed_at
    """
LOCK_OWNER = statement("lock_owner", TURN)

LOCK = statement(
    "lock_link",
    f"""
    SELECT {LINK} FROM owners JOIN links USING (owner)
     WHERE owner = :owner AND md5(url) = md5(:url) AND url = :url
       FOR UPDATE
    """,
)

# Of the link as it was read, or nothing. Its tags are looked at where something changes for them.
UPDATE = _sql(
    "update_link",
    type_="CAST(:event AS text)",
    visibility="CAST(:visibility AS text)",
    told="CASE WHEN :event = 'link.hidden' THEN jsonb_build_object('url', link.url)"
    f" ELSE {DOCUMENT} END",
    template="""
    $wait;
    WITH found AS (
        SELECT id FROM links WHERE id = :id AND owner = :owner AND revision = :revision
    ), turn AS (
        UPDATE owners
           SET version = version + (:event <> '')::int,
               private_count = private_count + :private, public_count = public_count + :public,
               changed_at = greatest(clock_timestamp(), changed_at)
          FROM found WHERE owner = :owner
        RETURNING version, changed_at
    ), link AS (
        UPDATE links
           SET title = :title, description = :description, tags = CAST(:tags AS text[]),
               visibility = :visibility, updated_at = turn.changed_at,
               revision = links.revision + 1,
               words = $words, words_at = turn.changed_at
          FROM turn WHERE id = :id
        RETURNING $link
    ), untagged AS (
        DELETE FROM link_tags USING found
         WHERE CAST(:gone AS text[]) <> '{}'
           AND link_id = found.id AND tag = ANY(CAST(:gone AS text[]))
    ), shown AS (
        UPDATE link_tags SET visibility = :visibility FROM found
         WHERE (:private <> 0 OR :public <> 0)
           AND link_id = found.id AND visibility <> :visibility
           AND tag <> ALL(CAST(:gone AS text[]))
    ), tagged AS (
        INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)
        SELECT owner, unnest(CAST(:come AS text[])), created_at, id, visibility FROM link
    ), event AS (
        $event WHERE :event <> ''
    )
    SELECT * FROM link
    """,
)

# Returns the link that was found, also where it is another version and stays.
DELETE = _sql(
    "delete_link",
    type_="'link.deleted'",
    template="""
    $wait;
    WITH found AS (
        SELECT $link FROM links WHERE owner = :owner AND md5(url) = md5(:url) AND url = :url
    ), link AS (
        SELECT * FROM found
         WHERE coalesce(id || '-' || revision = ANY(CAST(:versions AS text[])), true)
    ), gone AS (
        DELETE FROM links USING link WHERE links.id = link.id
    ), turn AS (
        UPDATE owners
           SET link_count = link_count - 1,
               version = version + (link.visibility <> 'private')::int,
               private_count = private_count - (link.visibility = 'private')::int,
               public_count = public_count - (link.visibility = 'public')::int,
               changed_at = greatest(clock_timestamp(), changed_at)
          FROM link WHERE owners.owner = link.owner
        RETURNING version
    ), event AS (
        $event WHERE link.visibility <> 'private'
    )
    SELECT * FROM found
    """,
)

OWNER = statement(
    "get_owner",
    """
    SELECT link_count, private_count, public_count, default_visibility
      FROM owners WHERE owner = :owner
    """,
)

SET_DEFAULT_VISIBILITY = statement(
    "set_default_visibility",
    """
    INSERT INTO owners AS o (owner, link_count, version, changed_at, default_visibility)
    VALUES (:owner, 0, CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint),
            clock_timestamp(), :visibility)
    ON CONFLICT (owner) DO UPDATE SET default_visibility = :visibility
    """,
)
