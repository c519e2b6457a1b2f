"""Who takes part in the demo, and who follows whom."""

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")

Follows = dict[str, list[str]]


def follows(names: list[str]) -> Follows:
    """Return whom each of them follows.

    They stand in a circle. Each follows the next one, every second one also the one after that,
    and the last one everybody; so everybody has news, and no two have the same.
    """
    found: Follows = {}
    for place, name in enumerate(names):
        steps = range(1, len(names)) if place == len(names) - 1 else range(1, 3 - place % 2)
        found[name] = [names[(place + step) % len(names)] for step in steps]
        found[name] = [other for other in dict.fromkeys(found[name]) if other != name]
    return found
