"""A bell is heard whenever it was rung."""

import time

import eventlet

from chassis.bell import Bell


def test_bell_that_was_rung_before_is_heard_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    began = time.monotonic()
    bell.wait(10)
    assert time.monotonic() - began < 5
    with eventlet.Timeout(0.05, False):
        bell.wait(10)
        raise AssertionError("it was heard twice")


def test_bell_ends_a_wait() -> None:
    bell = Bell()
    eventlet.spawn_after(0.01, bell.ring)
    began = time.monotonic()
    bell.wait(10)
    assert time.monotonic() - began < 5
    bell.wait(0.01)  # and its end, too
