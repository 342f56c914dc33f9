"""Live cameras through OpenCV: USB and network."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from facewire_edge.addresses import hide_password
from facewire_edge.errors import HardwareError
from facewire_edge.media import to_rgb
from facewire_edge.types import Frame

log = logging.getLogger(__name__)

DEFAULT_SIZE = (640, 480)
DEFAULT_FPS = 30.0
OPEN_TIMEOUT_MS = 5000  # of an RTSP stream; OpenCV's own default is 30 s
READ_TIMEOUT_MS = 3000
# OpenCV reads these once: seconds after which it gives up a silent V4L2 camera (its own default is 10), and silence of
# FFmpeg and of its own warnings, of which each try to reach a lost camera would print three lines more.
ENVIRONMENT = {
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "3",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_LOG_LEVEL": "ERROR",
}


class OpenCvCamera:
    """Read an opened capture that never ends by itself; takes the capture over."""

    live, still = True, False

    def __init__(self, capture: Any, name: str) -> None:
        self._capture = capture
        self._name = name
        self._index = 0

    def read(self) -> Frame | None:
        """Give the next frame.

        Raises:
            HardwareError: no frame comes.

        """
        good, image = self._read()
        time_ns = time.monotonic_ns()
        if not good:
            raise HardwareError(f"{self._name} gives no more frames; check its cable and its power")
        self._index += 1
        return Frame(to_rgb(image), self._index - 1, time_ns)

    def _read(self) -> tuple[bool, Any]:
        import cv2

        try:
            good, image = self._capture.read()
        except cv2.error as error:
            raise HardwareError(f"{self._name} gives what OpenCV cannot read: {error.err}") from error
        return bool(good), image

    def close(self) -> None:
        """Release the device."""
        self._capture.release()


def open_usb(number: int, width: int | None, height: int | None, fps: float | None) -> OpenCvCamera:
    """Open /dev/video<number> and ask it for a size and a rate.

    Raises:
        HardwareError: it is absent, in use, or this user may not read it.

    """
    cv2 = _opencv()
    name = f"/dev/video{number}"
    if not Path(name).exists():
        raise HardwareError(f"no camera {name}; plug it in, or see `facewire-edge cameras`")
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise HardwareError(f"{name} does not open; is it in use, or is this user not in the group video?")
    _configure(capture, name, (width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1], fps or DEFAULT_FPS))
    return OpenCvCamera(capture, name)


def open_rtsp(url: str) -> OpenCvCamera:
    """Open a network camera.

    Raises:
        HardwareError: it does not answer in time.

    """
    cv2 = _opencv()
    name = hide_password(url)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        capture.release()
        raise HardwareError(
            f"no answer from {name} (refused, or none within {OPEN_TIMEOUT_MS / 1000:g} s); check the address, the "
            "password and the network"
        )
    return OpenCvCamera(capture, name)


def _opencv() -> Any:
    """Give OpenCV, told to give up soon and quietly; what the user's environment says goes first."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import cv2

    return cv2


def _configure(capture: Any, name: str, wanted: tuple[int, int, float]) -> None:
    """Ask for MJPG (raw YUYV fills USB 2 above 640x480 at 30/s) and for one buffered frame; log what came of it."""
    import cv2

    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    keys = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
    for key, value in zip(keys, wanted, strict=True):
        capture.set(key, value)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    got = [capture.get(key) for key in keys]
    log.info("%s: asked for %dx%d at %g/s, got %dx%d at %g/s", name, *wanted, *got)
