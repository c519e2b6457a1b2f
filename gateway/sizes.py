"""How large requests may be here: as large as the contract allows, or less by configuration.

The Meta of a parameter names the key. A type is narrowed once for the sizes of a gateway: requests
are checked against the narrowed one, and /openapi.json is made of it.
"""

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
)

from msgspec import Meta
from nameko.extensions import DependencyProvider

from chassis import config
from contracts import limits
from gateway.validation import hints

Sizes = frozenset[tuple[str, int]]


class _Size(NamedTuple):
    key: str
    least: int
    most: int


_SIZES = (
    _Size("MAX_PAGE_SIZE", limits.PAGE_SIZE, limits.LARGEST_PAGE),  # who says none gets PAGE_SIZE
    _Size("MAX_REGEX_LENGTH", 1, limits.REGEX_LENGTH),
    _Size("MAX_URL_LENGTH", 1, limits.URL_LENGTH),
    _Size("MAX_BULK_CHANGES", 1, limits.BULK_CHANGES),
)
# What the contract allows.
LARGEST: Sizes = frozenset((size.key, size.most) for size in _SIZES)


class ConfiguredSizes(DependencyProvider):
    """Inject the sizes; a wrong one stops the start."""

    def setup(self) -> None:
        """Read and check them."""
        self.sizes: Sizes = frozenset((size.key, config.integer(*size)) for size in _SIZES)

    def get_dependency(self, worker_ctx: Any) -> Sizes:
        """Return them."""
        return self.sizes


@cache
def narrowed(takes: type, sizes: Sizes) -> type:
    """Return the TypedDict of a route's parameters with these sizes in it."""
    most = dict(sizes)
    required: frozenset[str] = getattr(takes, "__required_keys__", frozenset())
    made: Any = TypedDict(  # type: ignore[misc]
        takes.__name__,
        {
            name: (Required if name in required else NotRequired)[_narrowed(hint, most)]
            for name, hint in hints(takes).items()
        },
    )
    made.__doc__ = takes.__doc__
    return made


def _narrowed(hint: Any, most: Mapping[str, int]) -> Any:
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        return Annotated[(_narrowed(inner, most), *(_lowered(meta, most) for meta in metas))]
    if get_origin(hint) in (Union, UnionType):
        return reduce(or_, (_narrowed(each, most) for each in get_args(hint)))
    return hint


def _lowered(meta: Meta, most: Mapping[str, int]) -> Meta:
    key = (meta.extra or {}).get("key")
    if key is None:
        return meta
    says = dict(meta.__rich_repr__())
    return Meta(**says | {"max_length" if meta.le is None else "le": most[key]})
