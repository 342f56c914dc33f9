"""The one-slot mailbox between a live camera and the loop: the newest frame wins, what is lost is counted."""

from __future__ import annotations

from threading import Condition, Event, Thread

from facewire_edge.camera import Camera
from facewire_edge.errors import HardwareError
from facewire_edge.types import Frame

STALL_TIMEOUT_S = 10.0  # OpenCV gives a silent USB camera as long; libcamera waits for ever
JOIN_TIMEOUT_S = 6.0  # above the 5 s that a silent RTSP stream takes to give up


class Latest:
    """Read a live camera in a thread of its own; ``read`` waits for a frame that it has not given before."""

    live, still = True, False

    def __init__(self, camera: Camera, stall_s: float = STALL_TIMEOUT_S, join_s: float = JOIN_TIMEOUT_S) -> None:
        self.dropped = 0
        self._stall_s, self._join_s = stall_s, join_s
        self._camera = camera
        self._changed = Condition()
        self._frame: Frame | None = None
        self._stop = Event()
        self._error: Exception | None = None
        self._thread = Thread(target=self._fill, name="camera", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """Give the newest frame, None at the end; raise what the camera raised.

        Raises:
            HardwareError: the camera is silent.

        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._frame is not None or self._stop.is_set(), self._stall_s):
                raise HardwareError(f"no frame for {self._stall_s:g} s; check the camera's cable and its power")
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame

    def close(self) -> None:
        """End the thread, then release the camera.

        Raises:
            HardwareError: the camera's read does not return.

        """
        self._stop.set()
        self._thread.join(self._join_s)
        if self._thread.is_alive():
            raise HardwareError(f"the camera's read did not return within {self._join_s:g} s; restart the process")
        self._camera.close()

    def _fill(self) -> None:
        try:
            while not self._stop.is_set() and (frame := self._camera.read()) is not None:
                self._put(frame)
        except Exception as error:  # it is raised again in the loop's own thread
            self._error = error
        with self._changed:
            self._stop.set()
            self._changed.notify_all()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()
