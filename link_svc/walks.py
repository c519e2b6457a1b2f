"""The SQL of a listing: range scans of indexes, in the order of their keys."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, select, tuple_, union_all

from link_svc import models
from link_svc.listing import Order, Position, Query
from link_svc.visibility import Visibility

_LINKS = models.Link.__table__.c
_TAGGED = models.LinkTag.__table__.c
_KEY = ("created_at", "id")
_REST = [column for column in _LINKS if column.name not in _KEY]


def walk(
    query: Query, tag: str | None, after: Position | None, size: int
) -> Select[Any] | CompoundSelect[Any]:
    """Select the next of an owner's links, all of them or those of a tag, that may be listed.

    One scan where all may be, else one for each visibility, merged.
    """
    if query.visibilities == set(Visibility):
        return _scan(query, tag, after, size)
    scans = [_scan(query, tag, after, size, each) for each in sorted(query.visibilities)]
    if len(scans) == 1:
        return scans[0]
    merged = union_all(*scans)
    key = [merged.selected_columns[name] for name in _KEY]
    return merged.order_by(*_ordered(query, key)).limit(size)


def _scan(
    query: Query,
    tag: str | None,
    after: Position | None,
    size: int,
    visibility: Visibility | None = None,
) -> Select[Any]:
    of, id_ = (_LINKS, _LINKS.id) if tag is None else (_TAGGED, _TAGGED.link_id)
    key = [of.created_at, id_]
    statement = select(of.created_at, id_.label("id"), *_REST).where(of.owner == query.owner)
    if tag is not None:
        statement = statement.join(models.Link, _TAGGED.link_id == _LINKS.id)
        statement = statement.where(_TAGGED.tag == tag)
    if visibility is not None:
        statement = statement.where(of.visibility == visibility)
    if after is not None:
        bound, place = tuple_(after.created_at, after.id), tuple_(*key)
        statement = statement.where(place < bound if query.order is Order.NEWEST else place > bound)
    return statement.order_by(*_ordered(query, key)).limit(size)


def _ordered(query: Query, key: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [column.desc() if query.order is Order.NEWEST else column for column in key]
