"""Live cameras that vanish, stall, hang and end; each comes back by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from facewire_edge.camera import open_camera
from facewire_edge.errors import HardwareError, UsageError
from facewire_edge.live import Lapse, LiveCamera, Patience
from facewire_edge.replay import Fault, ReplayCamera, ReplayDevice
from facewire_edge.types import Frame

NOISE = [np.random.default_rng(i).integers(0, 255, (8, 8, 3), dtype=np.uint8) for i in range(50)]
QUICK = Patience(tick=0.01, stall=0.1, retry=0.01, longest_retry=0.04)
HASTY = replace(QUICK, read=0.1, connect=0.1, hung=0.1)  # for what hangs; a loaded machine is as slow
PATIENCE_S = 5.0


@contextmanager
def live(device: ReplayDevice, *, wait: bool = False, patience: Patience = QUICK) -> Iterator[LiveCamera]:
    with closing(LiveCamera(device.open, wait=wait, patience=patience)) as camera:
        yield camera


def read_until(camera: LiveCamera, condition: Callable[[], bool]) -> list[Frame]:
    """Turn as the loop does; give the frames."""
    frames = []
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, camera.link
        frame = camera.read()
        if not isinstance(frame, Lapse):
            frames.append(frame)
    return frames


def lives_through(fault: Fault, images: list[np.ndarray] = NOISE) -> list[Frame]:
    device = ReplayDevice(images, 200, [fault])
    with live(device, patience=HASTY if fault.kind == "hang" else QUICK) as camera:
        frames = read_until(camera, lambda: camera.link.reconnects >= 1 and camera.link.state == "running")
        frames += read_until(camera, lambda: device.frames >= fault.frame + 40)
    assert device.opened == device.closed
    return frames


@pytest.mark.parametrize(
    "fault",
    [Fault("vanish", 5, 0.1), Fault("stall", 5, 0.3), Fault("hang", 5, 0.5), Fault("end", 5)],
    ids=lambda fault: fault.kind,
)
def test_camera_comes_back_and_its_frames_are_counted_on(fault: Fault) -> None:
    indices = [frame.index for frame in lives_through(fault)]
    assert indices == sorted(set(indices))


def test_while_a_camera_is_away_the_loop_turns_and_the_reason_is_told() -> None:
    device = ReplayDevice(NOISE, 200, [Fault("vanish", 3, 3600)])
    with live(device) as camera:
        read_until(camera, lambda: camera.link.state == "no-camera")
        read_until(camera, lambda: isinstance(camera.read(), Lapse))
        assert "replay" in camera.link.reason
        device.recover()
        read_until(camera, lambda: camera.link.state == "running")


def test_fifty_losses_leave_no_thread_behind() -> None:
    before = threading.active_count()
    device = ReplayDevice(NOISE, 500, [Fault("end", 3 * i) for i in range(1, 51)])
    with closing(LiveCamera(device.open, patience=Patience(tick=0.01, retry=0.001, longest_retry=0.002))) as camera:
        read_until(camera, lambda: camera.link.reconnects == 50)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_absent_camera_is_an_error_unless_it_is_waited_for() -> None:
    device = ReplayDevice(NOISE, 200, [Fault("vanish", 0, 3600)])
    device.fault()
    with pytest.raises(HardwareError):
        LiveCamera(device.open)
    with live(device, wait=True) as camera:
        read_until(camera, lambda: camera.link.state == "no-camera")
        device.recover()
        read_until(camera, lambda: camera.link.state == "running")
        assert camera.link.reconnects == 0  # it came for the first time


def test_covered_lens_is_no_stall() -> None:
    rng = np.random.default_rng(0)
    dark = [rng.integers(0, 3, (8, 8, 3), dtype=np.uint8) for _ in range(50)]
    device = ReplayDevice(dark, 200)
    with live(device) as camera:
        read_until(camera, lambda: device.frames > 60)  # 0.3 s, three times the patience
        assert (camera.link.state, device.opened) == ("running", 1)


def test_black_that_the_camera_clamps_is_no_stall() -> None:
    device = ReplayDevice([np.zeros((8, 8, 3), np.uint8)], 200)
    with live(device) as camera:
        read_until(camera, lambda: device.frames > 60)
        assert (camera.link.state, device.opened) == ("running", 1)


def test_picture_that_a_new_connection_does_not_change_degrades_and_flows_on() -> None:
    device = ReplayDevice(NOISE[:1], 200)
    with live(device) as camera:
        read_until(camera, lambda: camera.link.state == "degraded")
        count = device.frames
        assert read_until(camera, lambda: device.frames > count + 60)
        assert device.opened == 2  # one new connection was tried, not one each 0.1 s
        assert "stands still" in camera.link.reason


def test_camera_that_hangs_for_good_is_called_hung_and_left_at_the_end() -> None:
    device = ReplayDevice(NOISE, 200, [Fault("hang", 3, 3), Fault("hang", 3, 3)])
    camera = LiveCamera(device.open, patience=HASTY)
    read_until(camera, lambda: camera.link.hung)
    assert device.opened == 2  # the reader that hangs was replaced once, not again and again
    start = time.monotonic()
    camera.close()
    assert time.monotonic() - start < 2  # its patience is 0.3 s, the fault's 3 s


def test_bug_in_the_thread_ends_the_loop() -> None:
    def broken() -> ReplayDevice:
        raise ZeroDivisionError

    with closing(LiveCamera(broken, wait=True, patience=QUICK)) as camera, pytest.raises(ZeroDivisionError):  # type: ignore[arg-type]
        read_until(camera, lambda: False)


def test_opening_that_does_not_return_is_an_error_at_the_start() -> None:
    gate = threading.Event()

    def stuck() -> ReplayCamera:
        gate.wait(PATIENCE_S)
        raise HardwareError("too late")

    with pytest.raises(HardwareError, match="opening does not return"):
        LiveCamera(stuck, patience=HASTY)
    gate.set()


def test_name_that_cannot_be_meant_is_refused_at_the_start() -> None:
    with pytest.raises(UsageError):
        LiveCamera(partial(open_camera, "usb:x"))
