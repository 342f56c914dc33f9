"""The mailbox between a live camera and the loop."""

import time
from collections.abc import Callable
from threading import Event

import numpy as np
import pytest
from facewire_edge.camera import ReplayCamera
from facewire_edge.errors import HardwareError
from facewire_edge.latest import Latest
from facewire_edge.types import Frame

IMAGES = [np.zeros((2, 2, 3), np.uint8)] * 10
PATIENCE_S = 5.0


class GatedCamera:
    """Give a frame whenever it is let; fail or end when told."""

    live, still = True, False

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.gate = Event()
        self.closed = False

    def read(self) -> Frame | None:
        self.gate.wait(PATIENCE_S)
        if self.error:
            raise self.error
        return None

    def close(self) -> None:
        self.closed = True


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_newest_frame_wins_and_the_others_are_counted() -> None:
    latest = Latest(ReplayCamera(IMAGES, live=True))
    wait_until(lambda: latest.dropped == 9)
    frame = latest.read()
    assert frame is not None
    assert frame.index == 9
    latest.close()


def test_end_of_the_camera_comes_after_its_last_frame() -> None:
    latest = Latest(ReplayCamera(IMAGES[:1], live=True))
    first, second, third = latest.read(), latest.read(), latest.read()
    assert first is not None
    assert (second, third) == (None, None)
    latest.close()


def test_no_frame_is_given_twice() -> None:
    latest = Latest(ReplayCamera(IMAGES, fps=200, live=True, realtime=True))
    indices = [frame.index for frame in iter(latest.read, None)]
    assert indices == sorted(set(indices))
    assert len(indices) + latest.dropped == 10
    latest.close()


def test_error_in_the_thread_is_raised_in_read() -> None:
    camera = GatedCamera(HardwareError("unplugged"))
    latest = Latest(camera)
    camera.gate.set()
    with pytest.raises(HardwareError, match="unplugged"):
        latest.read()
    latest.close()


def test_silent_camera_is_a_hardware_error() -> None:
    camera = GatedCamera()
    latest = Latest(camera, stall_s=0.05)
    with pytest.raises(HardwareError, match=r"no frame for 0\.05 s"):
        latest.read()
    camera.gate.set()
    latest.close()


def test_close_releases_the_camera_after_the_thread_has_ended() -> None:
    camera = GatedCamera()
    latest = Latest(camera)
    camera.gate.set()
    latest.close()
    assert camera.closed


def test_thread_that_does_not_end_is_an_error() -> None:
    camera = GatedCamera()
    latest = Latest(camera, join_s=0.05)
    with pytest.raises(HardwareError, match="did not return"):
        latest.close()
    assert not camera.closed  # its read is still running
    camera.gate.set()
