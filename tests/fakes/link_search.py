"""What a search finds, said in plain Python, without an index."""

from datetime import UTC, datetime, time

from link_svc.domain import Link
from link_svc.search.query import After, And, Before, Node, Not, Or, Site, Tag, Words
from link_svc.search.words import Text


def found(node: Node, link: Link) -> bool:
    """Say whether a query finds a link."""
    if isinstance(node, Not):
        return not found(node.node, link)
    if isinstance(node, And):
        return all(found(each, link) for each in node.nodes)
    if isinstance(node, Or):
        return any(found(each, link) for each in node.nodes)
    if isinstance(node, Before | After):
        later = link.created_at >= datetime.combine(node.day, time(), UTC)
        return later is isinstance(node, After)
    if isinstance(node, Tag):
        return node.name in link.tags
    if isinstance(node, Site):
        sites = _text(link).sites()
        return node.host in sites
    return any(_says(field, node) for field in _text(link).fields())


def _text(link: Link) -> Text:
    return Text(link.owner, link.url, link.title, link.description, link.tags)


def _says(field: list[str], phrase: Words) -> bool:
    *firm, last = phrase.words
    size = len(phrase.words)
    return any(
        field[at : at + size - 1] == firm
        and (
            field[at + size - 1].startswith(last) if phrase.begins else field[at + size - 1] == last
        )
        for at in range(len(field) - size + 1)
    )
