"""How many events are handled together: fewer after one that had to be given out again.

One among them may have taken its process down. More often a server or a process was restarted for
another reason, and then going on one by one would cost the most where most has piled up.
"""

from chassis.streams.deliveries import Place

_FEWER = 10


class Caution:
    """At most ``most`` events at a time; a tenth of what waits when one comes a second time.

    When it comes a third time, one by one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._fewer = most
        self._until = 0  # the sequence up to which it is fewer

    def redelivered(self, place: Place) -> None:
        """Take care from here on, for as long as a whole batch would be."""
        together = min(self._most, place.waiting + 1)
        self._fewer = max(1, together // _FEWER) if place.deliveries == 2 else 1
        self._until = place.sequence + self._most

    def alone(self, until: int) -> None:
        """Go on one by one, up to a sequence."""
        self._fewer, self._until = 1, until

    def most(self, sequence: int) -> int:
        """Return how many events, this one among them, may be handled together."""
        return self._fewer if sequence <= self._until else self._most
