"""The Raspberry Pi's own camera, through picamera2."""

from __future__ import annotations

import logging
import time
from importlib import import_module
from typing import Any

import numpy as np

from facewire_edge.errors import HardwareError
from facewire_edge.types import Frame, Image

log = logging.getLogger(__name__)

# picamera2 names formats by their order in a little-endian word: "BGR888" arrives as R, G, B in memory.
RGB_FORMAT = "BGR888"
DEFAULT_SIZE = (640, 480)
DEFAULT_FPS = 30.0
READ_TIMEOUT_S = 3.0  # libcamera itself waits for ever


class PiCamera:
    """Read the camera on the ribbon cable; frames carry the sensor's time stamp."""

    live, still = True, False

    def __init__(self, width: int | None, height: int | None, fps: float | None) -> None:
        size = (width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1])
        self._index = 0
        self._camera = _open()
        try:
            self._size = self._start(size, fps or DEFAULT_FPS)
        except (RuntimeError, ValueError) as error:
            self._camera.close()
            raise HardwareError(f"the Pi camera does not start at {size[0]}x{size[1]}: {error}; try 640x480") from error
        except BaseException:
            self._camera.close()
            raise

    def _start(self, size: tuple[int, int], fps: float) -> tuple[int, int]:
        """Start the stream; give the size that libcamera settled on."""
        main = {"size": size, "format": RGB_FORMAT}
        self._camera.configure(self._camera.create_video_configuration(main=main, controls={"FrameRate": fps}))
        self._camera.start()
        width, height = self._camera.camera_configuration()["main"]["size"]
        log.info("Pi camera: asked for %dx%d at %g/s, got %dx%d", *size, fps, width, height)
        return width, height

    def read(self) -> Frame | None:
        """Give the next frame, its time the sensor's: nanoseconds since boot, the monotonic clock of a Pi.

        Raises:
            HardwareError: libcamera reports a failure.

        """
        try:
            request = self._camera.capture_request(wait=False).get_result(timeout=READ_TIMEOUT_S)
        except (RuntimeError, TimeoutError) as error:
            reason = str(error) or f"none within {READ_TIMEOUT_S:g} s"
            raise HardwareError(f"the Pi camera gives no more frames ({reason}); check the ribbon cable") from error
        try:
            image, metadata = request.make_array("main"), request.get_metadata()
        finally:
            request.release()
        self._index += 1
        return Frame(self._cut(image), self._index - 1, int(metadata.get("SensorTimestamp", time.monotonic_ns())))

    def _cut(self, image: Any) -> Image:
        """Copy the picture without the padding that the hardware adds to the rows."""
        width, height = self._size
        return np.ascontiguousarray(image[:height, :width, :3], dtype=np.uint8)

    def close(self) -> None:
        """Stop and release the camera; one that failed may refuse to be stopped."""
        try:
            self._camera.stop()
        except RuntimeError as error:
            log.debug("the Pi camera does not stop: %s", error)
        finally:
            self._camera.close()


def _open() -> Any:
    library = _library()
    try:
        return library.Picamera2()
    except (RuntimeError, IndexError) as error:
        raise HardwareError(
            f"no Pi camera ({error}); check the ribbon cable, `rpicam-hello --list-cameras`, and what else uses it"
        ) from error


def list_pi_cameras() -> list[str]:
    """Give the models of the cameras on ribbon cables; none where picamera2 is not installed."""
    try:
        library = _library()
    except HardwareError:
        return []
    return [str(info.get("Model", "?")) for info in library.Picamera2.global_camera_info()]


def _library() -> Any:
    try:
        return import_module("picamera2")
    except (ImportError, ValueError) as error:  # ValueError: built on NumPy 1, found NumPy 2
        raise HardwareError(
            f"picamera2 cannot be imported ({error}); run: sudo apt install python3-picamera2, and make the venv with "
            "`python3 -m venv --system-site-packages`"
        ) from error
