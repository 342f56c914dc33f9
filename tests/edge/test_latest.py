"""The mailbox between a camera's thread and the loop."""

from threading import Timer

import numpy as np
import pytest
from facewire_edge.errors import HardwareError
from facewire_edge.latest import Latest
from facewire_edge.types import Frame

IMAGE = np.zeros((2, 2, 3), np.uint8)
PATIENCE_S = 5.0


def frame(index: int) -> Frame:
    return Frame(IMAGE, index, index)


def taken(latest: Latest, timeout_s: float = PATIENCE_S) -> int | None:
    found = latest.take(timeout_s)
    return None if found is None else found.index


def test_newest_frame_wins_and_the_others_are_counted() -> None:
    latest = Latest()
    for index in range(10):
        latest.put(frame(index))
    assert taken(latest) == 9
    assert latest.dropped == 9


def test_no_frame_is_given_twice() -> None:
    latest = Latest()
    latest.put(frame(0))
    assert (taken(latest), taken(latest, 0.01)) == (0, None)


def test_frame_that_comes_while_it_is_waited_for_is_given() -> None:
    latest = Latest()
    Timer(0.05, latest.put, [frame(7)]).start()
    assert taken(latest) == 7


def test_error_of_the_thread_is_raised_after_its_last_frame() -> None:
    latest = Latest()
    latest.put(frame(0))
    latest.fail(HardwareError("on fire"))
    assert taken(latest) == 0
    with pytest.raises(HardwareError, match="on fire"):
        latest.take(PATIENCE_S)
