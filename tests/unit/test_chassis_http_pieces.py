"""Answers that are made while they are sent: one piece ahead, and all is let go of."""

from collections.abc import Generator

import eventlet
import pytest

from chassis.http import streamed


class Maker:
    """Makes pieces, and tells how many and whether it has been let go of."""

    def __init__(self, fails_at: int = 10) -> None:
        self.made = 0
        self.let_go = False
        self._fails_at = fails_at

    def pieces(self) -> Generator[bytes, None, None]:
        try:
            for number in range(10):
                if number == self._fails_at:
                    raise ValueError(f"no piece {number}")
                self.made += 1
                yield b"%d" % number
                eventlet.sleep(0)  # as a call would
        finally:
            self.let_go = True


def rest() -> None:
    for _ in range(20):
        eventlet.sleep(0)


def test_all_pieces_come_in_order() -> None:
    maker = Maker()
    response = streamed(maker.pieces(), content_type="text/plain")
    assert b"".join(response.iter_encoded()) == b"0123456789"
    response.close()
    assert maker.let_go


def test_no_more_than_one_piece_is_made_ahead() -> None:
    maker = Maker()
    sent = streamed(maker.pieces()).iter_encoded()
    for number in range(10):
        assert next(sent) == b"%d" % number
        rest()
        assert maker.made == min(number + 2, 10)


def test_the_first_error_is_raised_at_once_and_a_later_one_in_its_place(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="no piece 0"):
        streamed(Maker(fails_at=0).pieces())
    sent = streamed(Maker(fails_at=2).pieces()).iter_encoded()
    assert [next(sent), next(sent)] == [b"0", b"1"]
    with pytest.raises(ValueError, match="no piece 2"):
        next(sent)
    rest()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("sent", [0, 3])
def test_who_leaves_in_the_middle_leaves_nothing_under_way(sent: int) -> None:
    maker = Maker()
    response = streamed(maker.pieces())
    pieces = response.iter_encoded()
    for _ in range(sent):
        next(pieces)
    response.close()
    rest()
    assert maker.made <= sent + 2
    assert maker.let_go
