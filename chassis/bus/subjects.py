"""How AMQP's names become NATS subjects."""

from functools import lru_cache
from urllib.parse import quote

_SAFE = "-_.!~'()*#$%&+,:;=@/|^`{}[]\"\\<?"


@lru_cache(maxsize=4096)
def subject(*names: str) -> str:
    """Join an exchange and a routing key (or write a name alone) as one subject.

    What NATS does not take in a token (spaces, control characters, ``>``) is percent-encoded,
    and so are the ``*`` and the empty token, which it would take for something else.
    """
    tokens = ".".join(name for name in names if name).split(".")
    return ".".join(quote(token, safe=_SAFE.replace("*", "")) or "%00" for token in tokens)


def bindings(exchange: str, key: str) -> set[str]:
    """Return the subjects that a queue bound with this key listens to.

    In AMQP ``*`` stands for one word and ``#`` for any number, none among them; NATS has ``*``
    and ``>``, and the latter stands for at least one, at the end alone. Raises ValueError for a
    ``#`` elsewhere.
    """
    words = key.split(".") if key else []
    if "#" in words[:-1]:
        raise ValueError(f"the binding {key!r} has # before its end, which NATS cannot express")
    parts = [subject(exchange)] if exchange else []
    parts += ["*" if word == "*" else subject(word) for word in words if word != "#"]
    base = ".".join(parts)
    if words and words[-1] == "#":
        return {base, f"{base}.>"} if len(parts) > bool(exchange) else {f"{base}.>"}
    return {base}
