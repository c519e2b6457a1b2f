"""What others ask of exports: a part of the file, and where the next one begins."""

from typing import TypedDict

from link_svc import schemas
from link_svc.exports import formats
from link_svc.store import LinkStore


class PartDoc(TypedDict):
    """A part of a file; ``next_token`` is empty on the last."""

    text: str
    next_token: str


def part(links: LinkStore, username: str, format_name: str, start_token: str) -> PartDoc:
    """Write the next part of somebody's file."""
    form = formats.named(format_name)
    wanted = schemas.query(username, {"start_token": start_token})
    rows, position = links.rows(wanted.owner, wanted.after)
    text = "".join(map(form.link, rows))
    head = "" if start_token else form.head
    foot = "" if position else form.foot
    return {"text": head + text + foot, "next_token": schemas.token(wanted, position)}
