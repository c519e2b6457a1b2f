"""Who finds whom: people are there for everybody but those whom they have blocked."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from chassis.errors import InvalidInput, NotFound

Document = Mapping[str, Any]


def find(
    users: Any, relation_to: Callable[[str, str], Document], viewer: str, name: str
) -> tuple[Document, Document]:
    """Return a person, and what who looks has to do with them; ``users`` is user_svc.

    Raise ``no_such_user`` for who is not there and for who has blocked the viewer, with the same
    words and after the same questions.
    """
    user: Document | None = None
    with suppress(NotFound):
        user = users.get_user(name)
    relation: Document | None = None
    with suppress(InvalidInput):  # a name that nobody can have
        relation = relation_to(viewer, user["username"] if user else name)
    if user is None or relation is None or relation["is_blocked"]:
        raise NotFound("no_such_user", "There is no user with this name.", "name")
    return user, relation


def audience(viewer: str, user: Document, relation: Document) -> str:
    """Return as what link_svc shall take who looks at a person's links."""
    if viewer == user["username"]:
        return "owner"
    return "follower" if relation["follows"] else "anyone"
