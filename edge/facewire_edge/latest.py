"""The one-slot mailbox between a camera's thread and the loop: the newest frame wins, what is lost is counted."""

from __future__ import annotations

from threading import Condition

from facewire_edge.types import Frame


class Latest:
    """Hand frames from one thread to another; a frame that nobody took gives way to the next one."""

    def __init__(self) -> None:
        self.dropped = 0
        self._changed = Condition()
        self._frame: Frame | None = None
        self._error: Exception | None = None

    def put(self, frame: Frame) -> None:
        """Leave a frame."""
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Leave an error, which ``take`` raises."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame | None:
        """Give the newest frame, once; None where none came in time. Raise what was left by ``fail``."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._error is not None, timeout_s)
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame
