"""A camera made of pictures in memory, which misbehaves as it is told: for tests and demonstrations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from facewire_edge.errors import HardwareError
from facewire_edge.media import Pace
from facewire_edge.types import Frame, Image


@dataclass(frozen=True, slots=True)
class Fault:
    """Say how a camera misbehaves, and from which frame on; frames count over all connections.

    ``vanish``: for a time, reading and opening fail. ``stall``: for a time, the same picture comes. ``hang``: one read
    takes this time. ``end``: the stream ends, and can be opened again at once.
    """

    kind: str
    frame: int
    seconds: float = 0.0


class ReplayDevice:
    """Be what a live :class:`ReplayCamera` is opened from, again after each of its faults."""

    def __init__(self, images: Sequence[Image], fps: float = 30.0, faults: Sequence[Fault] = ()) -> None:
        self.opened = 0
        self.closed = 0
        self.frames = 0  # given, over all connections
        self._images, self._fps = images, fps
        self._faults = list(faults)
        self._active: Fault | None = None
        self._until = 0.0

    def open(self) -> ReplayCamera:
        """Give a live camera.

        Raises:
            HardwareError: it has vanished.

        """
        if self._active is not None and self._active.kind == "vanish" and time.monotonic() < self._until:
            raise HardwareError("the replay is away")
        self.opened += 1
        return ReplayCamera(self._images, self._fps, live=True, realtime=True, device=self)

    def recover(self) -> None:
        """End the fault that lasts."""
        self._until = 0.0

    def fault(self) -> Fault | None:
        """Give the fault that the next read meets."""
        now = time.monotonic()
        if self._active is not None and now < self._until:
            return self._active
        self._active = None
        if self._faults and self.frames >= self._faults[0].frame:
            self._active = self._faults.pop(0)
            self._until = now + (0.0 if self._active.kind == "hang" else self._active.seconds)
        return self._active


class ReplayCamera:
    """Play pictures: those of a file in memory once or more often, those of a device for ever."""

    still = False

    def __init__(
        self,
        images: Sequence[Image],
        fps: float = 30.0,
        *,
        live: bool = False,
        loops: int = 1,
        realtime: bool = False,
        device: ReplayDevice | None = None,
    ) -> None:
        self.live = live
        self._images = images
        self._count = len(images) * loops if device is None else None
        self._fps = fps
        self._pace = Pace(realtime)
        self._index = 0
        self._device = device
        self._closed = Event()

    def read(self) -> Frame | None:
        """Give the next frame, None at the end.

        Raises:
            HardwareError: the device has vanished.

        """
        kind = "" if self._device is None else self._suffer(self._device)
        if kind == "end" or self._index == self._count:
            return None
        self._index += 1
        number = self._index - 1 if self._device is None else self._device.frames - 1
        time_ns = self._pace((self._index - 1) / self._fps)
        return Frame(self._images[number % len(self._images)], self._index - 1, time_ns)

    def _suffer(self, device: ReplayDevice) -> str:
        """Undergo the device's fault; give its kind."""
        fault = device.fault()
        if fault is not None and fault.kind == "vanish":
            raise HardwareError("the replay gives no more frames")
        if fault is not None and fault.kind == "hang":
            self._closed.wait(fault.seconds)
        device.frames += fault is None or fault.kind != "stall"
        return "" if fault is None else fault.kind

    def close(self) -> None:
        """Let a read that hangs return."""
        self._closed.set()
        if self._device is not None:
            self._device.closed += 1
