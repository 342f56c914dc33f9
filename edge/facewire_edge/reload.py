"""Load changed model files beside the running loop, try them, and have them ready for it between two frames."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread, current_thread, main_thread

from facewire_edge.errors import FacewireError
from facewire_edge.message import Origin
from facewire_edge.track import Tracker

log = logging.getLogger(__name__)

POLL_S = 2.0  # a file is taken when it is the same at two looks: one that is being copied grows
JOIN_S = 5.0
Loaded = tuple[Tracker, Origin]
Stamp = tuple[tuple[int, int, int] | None, ...]


class ModelWatch:
    """Look at the model files in a thread of its own; what cannot be run is refused by name and the old model stays."""

    def __init__(
        self, paths: Sequence[Path], load: Callable[[], Loaded], poll_s: float = POLL_S, running: Stamp | None = None
    ) -> None:
        """Watch from now on.

        Args:
            paths: of the models.
            load: loads them.
            poll_s: from one look to the next.
            running: the stamp of the files that run, taken before they were loaded; default: that of now.

        """
        self._paths, self._load, self._poll_s = paths, load, poll_s
        self._running = self._seen = stamp(paths) if running is None else running
        self._ready: Loaded | None = None
        self._lock = Lock()
        self._asked, self._wake, self._stop = Event(), Event(), Event()
        self._thread = Thread(target=self._watch, name="models", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Load again, changed or not; of any thread and of a signal's handler."""
        self._asked.set()
        self._wake.set()

    def take(self) -> Loaded | None:
        """Give what was loaded and tried since the last call."""
        if self._ready is None:  # of each frame: no lock
            return None
        with self._lock:
            loaded, self._ready = self._ready, None
        return loaded

    def close(self) -> None:
        """End the thread; one that is loading ends with the process."""
        self._stop.set()
        self._wake.set()
        self._thread.join(JOIN_S)

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._poll_s)
            self._wake.clear()
            if not self._stop.is_set():
                self._look()

    def _look(self) -> None:
        found = stamp(self._paths)
        settled = found != self._running and found == self._seen and None not in found
        self._seen = found
        if self._asked.is_set() or settled:
            self._asked.clear()
            self._running = found
            self._try()

    def _try(self) -> None:
        try:
            tracker, origin = self._load()
            tracker.rehearse()
        except FacewireError as error:
            log.error("model refused, the old one stays: %s", error)
        except Exception:  # of the runtime: a model must not end a loop that works
            log.exception("model refused, the old one stays: the runtime failed on it")
        else:
            with self._lock:
                self._ready = tracker, origin


@contextmanager
def reload_on_hangup(watch: ModelWatch) -> Iterator[None]:
    """Let SIGHUP load the models again, but where it says that the terminal is gone: there it ends the command.

    Only the main thread can be told of signals.
    """
    ended_by_terminal = has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN  # as `nohup` sets it
    if current_thread() is not main_thread() or ended_by_terminal:
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: watch.ask())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def has_terminal() -> bool:
    """Say whether a terminal can send signals to this process: not to a service."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def stamp(paths: Sequence[Path]) -> Stamp:
    """Give what changes when a file is written or replaced; None for one that is not there."""
    return tuple(_stamp_of(path) for path in paths)


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
