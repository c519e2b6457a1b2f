"""A large collection of links, made of a small one that the product itself has written.

What the product wrote is copied with all its columns, so that the copies are rows as the product
writes them: the same counters, index entries and order. Two things are not the copies' own: the
words for searches are their originals', without the number at the end of the URL; and there are no
events of them, so that news are the same whatever the size.
"""

from collections.abc import Callable
from typing import Any

Execute = Callable[..., list[tuple[Any, ...]]]

SELDOM = "seldom"  # the tag of the links that are not copied: as many in every collection
# What a copy does not share with its original.
TIMES = {"links": ("created_at", "updated_at", "words_at"), "link_tags": ("created_at",)}
OWN = {
    "url": "url || '.' || copy",
    **{time: f"{time} + copy * interval '1 minute'" for time in TIMES["links"]},
}
COLUMNS = """
    SELECT column_name FROM information_schema.columns
     WHERE table_name = 'links' AND is_identity = 'NO' AND is_generated = 'NEVER'
"""
# The originals first: copies come after them, in the order of their ids, and none in the future.
AGE = """
    UPDATE {table} SET {columns} WHERE owner = %s
"""
LINKS = """
    INSERT INTO links ({columns})
    SELECT {values} FROM links, generate_series(1, %s) AS copy
     WHERE owner = %s AND NOT tags @> ARRAY[%s]
     ORDER BY copy, created_at, id
"""
TAGS = """
    INSERT INTO link_tags (owner, tag, created_at, link_id, visibility)
    SELECT owner, unnest(tags), created_at, id, visibility FROM links
     WHERE owner = %s AND id > %s
"""
COUNTERS = """
    UPDATE owners
       SET link_count = found.links, private_count = found.private, public_count = found.public
      FROM (SELECT count(*) AS links, count(*) FILTER (WHERE visibility = 'private') AS private,
                   count(*) FILTER (WHERE visibility = 'public') AS public
              FROM links WHERE owner = %s) AS found
     WHERE owner = %s
"""


def multiply(execute: Execute, owner: str, copies: int) -> None:
    """Add so many copies of each of somebody's links, but of those with the tag SELDOM."""
    if copies < 1:
        return
    age = f"{copies} * interval '1 minute'"
    for table, times in TIMES.items():
        aged = ", ".join(f"{time} = {time} - {age}" for time in times)
        execute(AGE.format(table=table, columns=aged), owner)
    ((newest,),) = execute("SELECT max(id) FROM links WHERE owner = %s", owner)
    columns = [name for (name,) in execute(COLUMNS)]
    values = ", ".join(OWN.get(name, name) for name in columns)
    execute(LINKS.format(columns=", ".join(columns), values=values), copies, owner, SELDOM)
    execute(TAGS, owner, newest)
    execute(COUNTERS, owner, owner)


def tidy(execute: Execute) -> None:
    """Do what autovacuum would do after a while."""
    execute("VACUUM (ANALYZE) links")
    execute("VACUUM (ANALYZE) link_tags")
