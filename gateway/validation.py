"""A request's parameters against the type that a route declares for them.

msgspec checks in a few microseconds; what it says of a failure is prose, so the parameter at fault
is found by trying them one after the other, and named with a code that stays.
"""

from collections.abc import Callable, Mapping
from typing import (
    Annotated,
    Any,
    Generic,
    NotRequired,
    Required,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from chassis import errors, http

P = TypeVar("P")
Params = dict[str, Any]


class Reader(Generic[P]):
    """Read the parameters that a TypedDict declares out of a request; leave out all others."""

    def __init__(self, takes: type[P]) -> None:
        self.takes = takes
        self.hints = hints(takes)
        self.required: frozenset[str] = getattr(takes, "__required_keys__", frozenset())
        kinds = {name: set(_kinds(hint)) for name, hint in self.hints.items()}
        # Given several times in a query or a form, these are lists.
        self.lists = tuple(name for name, found in kinds.items() if list in found)
        self._spelled = {
            name: spell
            for kind, spell in _SPELLINGS.items()
            for name, found in kinds.items()
            if kind in found
        }

    def request(
        self,
        request: http.Request,
        in_path: Mapping[str, str] | None = None,
        read_body: bool = True,
    ) -> P:
        """Return the request's parameters; raise InvalidInput that names the one at fault."""
        found = http.params(request, self.lists, read_body=read_body)
        return self.params({**found, **(in_path or {})})

    def params(self, params: Params) -> P:
        """Return the parameters of this type; raise InvalidInput that names the one at fault."""
        for name, spell in self._spelled.items():
            if name in params:
                params[name] = spell(params[name])
        try:
            return msgspec.convert(params, self.takes)
        except msgspec.ValidationError:
            self._refuse(params)
            raise

    def _refuse(self, params: Params) -> None:
        for name, hint in self.hints.items():
            if name in self.required and params.get(name) in (None, ""):
                raise errors.InvalidInput(f"missing_{name}", f"{name} is missing.", name)
            if name not in params:
                continue
            try:
                msgspec.convert(params[name], hint)
            except msgspec.ValidationError:
                raise _refusal(name, params[name], hint) from None


def hints(declaration: type) -> dict[str, Any]:
    """Return the types of a TypedDict's items, by name, in their order."""
    found = get_type_hints(declaration, include_extras=True)
    return {
        name: get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint
        for name, hint in found.items()
    }


def _refusal(name: str, value: Any, hint: Any) -> errors.InvalidInput:
    metas = [part for part in _parts(hint) if isinstance(part, msgspec.Meta)]
    says = {name: word for meta in metas for name, word in (meta.extra or {}).items()}
    longest = next((meta.max_length for meta in metas if meta.max_length), None)
    if longest and isinstance(value, str) and len(value) > longest:
        message = f"{name} is longer than {longest} characters."
        return errors.InvalidInput(says.get("too_long", f"{name}_too_long"), message, name)
    most = next((meta.le for meta in metas if meta.le), longest)
    must = says.get("must", "a text").format(most=most)
    message = f"{name} must be {must}."
    return errors.InvalidInput(says.get("wrong", f"invalid_{name}"), message, name)


def _parts(hint: Any) -> list[Any]:
    """Return a hint and all that it is made of, from the outside to the inside."""
    inner = get_args(hint)
    return [hint, *(part for each in inner for part in _parts(each))]


def _kinds(hint: Any) -> list[Any]:
    """Return the types that a parameter may have, without what they hold."""
    if get_origin(hint) in (list, dict):
        return [get_origin(hint)]
    inner = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
    return [hint, *(kind for each in inner for kind in _kinds(each))]


def _whole(value: Any) -> Any:
    """Return the number that a text spells, as all do in a query."""
    # int() of a very long text is slow, and it takes digits of all scripts.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 8:
        return int(value)
    return value


def _truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


_SPELLINGS: Mapping[type, Callable[[Any], Any]] = {int: _whole, bool: _truth}
