"""A live camera that may vanish: opened again with back-off, replaced where it hangs, never the end of the loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from threading import Event, Thread
from typing import TypeVar

from facewire_edge.camera import Camera
from facewire_edge.errors import HardwareError
from facewire_edge.latest import Latest
from facewire_edge.standing import Standing
from facewire_edge.types import Frame

log = logging.getLogger(__name__)

T = TypeVar("T")

LONG_S = 1.0  # a connection that lasted so long did work: the next try comes at once
MAX_READERS = 2  # the one that reads and one that hangs: more would only hang as well


@dataclass(frozen=True, slots=True)
class Patience:
    """Say how long to wait for what, in seconds."""

    tick: float = 0.25  # for a frame, before the loop turns without one
    connect: float = 12.0  # for opening and closing; libraries give up after 5 s
    read: float = 5.0  # for a frame, before the reader is replaced; libraries give up after 3 s
    stall: float = 5.0  # with the same picture; a frugal H.264 camera repeats itself for up to its 4 s group
    retry: float = 0.1  # before the first new try; doubled after each that fails
    longest_retry: float = 0.5  # FFmpeg takes 1.3 s more until the first frame of a stream: 2 s after its return
    leave: float = 0.3  # for the thread at the end: the process must be gone within a second
    hung: float = 20.0  # with a read that does not return and no frames, before only a new process can help


@dataclass(frozen=True, slots=True)
class Link:
    """Say how the camera is."""

    state: str  # starting, running, no-camera or degraded
    reason: str = ""  # of the last loss, or of the degradation
    reconnects: int = 0
    dropped: int = 0
    hung: bool = False  # only a new process can help


class Lapse:
    """Be given instead of a frame where none came in time: the loop turns all the same."""


class LiveCamera:
    """Keep a camera open; ``read`` waits a moment for a frame that it has not given before."""

    live, still = True, False

    def __init__(self, opener: Callable[[], Camera], *, wait: bool = False, patience: Patience | None = None) -> None:
        """Open the camera; with ``wait`` do not wait until it is there.

        Raises:
            HardwareError: it is not there (without ``wait``).

        """
        self._opener, self._patience = opener, patience or Patience()
        self._inbox = Latest()
        self._standing = Standing()
        self._next_index = self._base = 0  # frames are counted on over all connections
        self._reconnects = 0
        self._fault: str | None = None  # why no frames come
        self._reason = ""
        self._tried_standing = False  # a new connection gave the same picture: it is what the camera sees
        self._degraded = False
        self._connected = Event()
        self._readers = [self._reader()]
        if not wait:
            self._wait_for_connection()

    def read(self) -> Frame | Lapse:
        """Give the newest frame, a lapse where none comes in time."""
        frame = self._inbox.take(self._patience.tick)
        if frame is not None:
            return frame
        self._replace_overdue()
        return Lapse()

    @property
    def link(self) -> Link:
        """Say how the camera is."""
        state = "no-camera" if self._fault else "degraded" if self._degraded else "running"
        if not self._next_index and not self._fault:
            state = "starting"
        hung = self._fault is not None and any(r.overdue(self._patience.hung) for r in self._readers)
        return Link(state, self._reason, self._reconnects, self._inbox.dropped, hung)

    def close(self) -> None:
        """End the threads; each closes its own camera. One whose read does not return is left to the process's end."""
        end = time.monotonic() + self._patience.leave
        for reader in self._readers:
            reader.stop.set()
        for reader in self._readers:
            reader.thread.join(max(0.0, end - time.monotonic()))
            if reader.thread.is_alive():
                log.warning("the camera's read did not return within %g s and is left behind", self._patience.leave)

    def _reader(self) -> _Reader:
        return _Reader(self._opener, self._patience, self._connected, self._arrived, self._lost, self._inbox.fail)

    def _wait_for_connection(self) -> None:
        """Wait as a signal can interrupt it: a library's own opening cannot be."""
        try:
            while not self._connected.wait(self._patience.tick / 10):
                self._inbox.take(0)
                self._replace_overdue()
                if self._fault is not None:
                    raise HardwareError(self._fault)
        except BaseException:
            self.close()
            raise

    def _replace_overdue(self) -> None:
        self._readers = [r for r in self._readers if r.thread.is_alive()]
        for reader in self._readers:
            if not reader.stop.is_set() and reader.overdue():
                reader.stop.set()
                self._lost(f"the camera's {reader.doing} does not return")
        if all(r.stop.is_set() for r in self._readers) and len(self._readers) < MAX_READERS:
            self._readers.append(self._reader())

    def _arrived(self, frame: Frame, first: bool) -> None:
        """Take a frame of the reader's thread, perhaps the first of its connection.

        Raises:
            HardwareError: the same picture comes again and again, and no new connection was tried.

        """
        seconds = self._standing(frame.image, time.monotonic_ns())
        if seconds == 0:
            self._tried_standing = self._degraded = False
        elif seconds > self._patience.stall and not self._tried_standing:
            self._tried_standing = True
            raise HardwareError(f"the camera gives the same picture for {self._patience.stall:g} s")
        elif seconds > self._patience.stall:
            self._degraded, self._reason = True, "the camera's picture stands still, after a new connection too"
        if self._fault is not None:
            self._reconnects += self._next_index > 0
            self._fault = None
        if first:
            self._base = self._next_index
        self._next_index = self._base + frame.index + 1
        self._inbox.put(replace(frame, index=self._base + frame.index))

    def _lost(self, reason: str) -> None:
        self._fault = self._reason = reason
        log.debug("%s", reason)


class _Reader:
    """Open, read and close a camera in a thread of its own, again and again, until ``stop``."""

    def __init__(
        self,
        opener: Callable[[], Camera],
        patience: Patience,
        connected: Event,
        arrived: Callable[[Frame, bool], None],
        lost: Callable[[str], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.stop = Event()
        self.doing = "opening"
        self._opener, self._patience, self._connected = opener, patience, connected
        self._arrived, self._lost, self._failed = arrived, lost, failed
        self._deadline = inf  # of the call that may not return
        self.thread = Thread(target=self._run, name="camera", daemon=True)
        self.thread.start()

    def overdue(self, by_s: float = 0.0) -> bool:
        """Say whether a call should have returned so many seconds ago."""
        return time.monotonic() > self._deadline + by_s

    def _run(self) -> None:
        retry_s = self._patience.retry
        try:
            while not self.stop.is_set():
                if self._connection():
                    retry_s = self._patience.retry
                self.stop.wait(retry_s)
                retry_s = min(2 * retry_s, self._patience.longest_retry)
        except Exception as error:  # it is raised again in the loop's own thread
            self._failed(error)

    def _connection(self) -> bool:
        """Read one connection to its end; say whether frames came for long."""
        opened = inf
        try:
            camera = self._timed("opening", self._opener)
            opened = time.monotonic()
            self._connected.set()
            try:
                self._read_all(camera)
            finally:
                self._timed("closing", camera.close)
        except HardwareError as error:
            if not self.stop.is_set():  # else another reader is at work
                self._lost(str(error))
        return time.monotonic() - opened > LONG_S

    def _read_all(self, camera: Camera) -> None:
        first = True
        while not self.stop.is_set():
            frame = self._timed("reading", camera.read)
            if frame is None:
                raise HardwareError("the camera's stream ended")
            if not self.stop.is_set():  # else this reader was given up meanwhile
                self._arrived(frame, first)
            first = False

    def _timed(self, doing: str, call: Callable[[], T]) -> T:
        """Make a call that may not return."""
        self.doing = doing
        self._deadline = time.monotonic() + (self._patience.read if doing == "reading" else self._patience.connect)
        try:
            return call()
        finally:
            self._deadline = inf
