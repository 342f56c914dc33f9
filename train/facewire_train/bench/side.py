"""What both sides of the comparison do alike: play a clip, watch what it costs, report it.

It runs in MediaPipe's own environment too and imports nothing of the edge package.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from facewire_train.bench.jitter import Points, jitter

WARM_UP = 20  # frames that cost nothing: the first inferences allocate
LOT = 64  # frames read ahead while the watch stands; 59 MB at 640x480


class Source(Protocol):
    """Give frames until the clip ends."""

    def read(self) -> Any:
        """Give the next frame, None at the end."""


class Watch:
    """Sum up the time and the CPU time of all threads of this process while it runs."""

    def __init__(self) -> None:
        self.wall_s, self.cpu_s = 0.0, 0.0
        self._since: tuple[float, float] | None = None

    def start(self) -> None:
        """Run from now on."""
        self._since = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Stand still; a watch that stands already does nothing."""
        if self._since is not None:
            self.wall_s += time.perf_counter() - self._since[0]
            self.cpu_s += time.process_time() - self._since[1]
        self._since = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stand still for a while, if it runs."""
        running = self._since is not None
        self.stop()
        yield
        if running:
            self.start()


class Ahead:
    """Be a camera that reads ahead while the watch stands: what the watch shows is then free of decoding."""

    live, still = False, False

    def __init__(self, source: Source, watch: Watch) -> None:
        self._source, self._watch = source, watch
        self._lot: deque[Any] = deque()

    def read(self) -> Any:
        """Give the next frame, None at the end."""
        if not self._lot:
            with self._watch.paused():
                self._lot.extend(self._source.read() for _ in range(LOT))
        return self._lot.popleft()

    def close(self) -> None:
        """Leave the source to its owner."""


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """Hold what came of one clip: the landmarks of all frames, the times of those after the warm-up."""

    points: Sequence[Points | None]
    watch: Watch

    @property
    def timed(self) -> int:
        """Give the number of frames that the watch saw."""
        return max(len(self.points) - WARM_UP, 1)


def report(play: Callable[[bool], Play], versions: dict[str, str]) -> dict[str, Any]:
    """Play a clip twice, the second time read ahead; give the figures.

    Args:
        play: whether to read ahead -> what came of it.
        versions: of what takes part.

    """
    whole = play(False)
    resident = peak_mb()
    ahead = play(True)
    return {
        "frames": len(whole.points),
        "frames_per_s": whole.timed / whole.watch.wall_s,
        "cpu_ms": 1000 * whole.watch.cpu_s / whole.timed,
        "cpu_without_decoding_ms": 1000 * ahead.watch.cpu_s / ahead.timed,
        "resident_mb": resident,
        "found": sum(p is not None for p in whole.points) / len(whole.points),
        "jitter_percent": percent(jitter(whole.points)),
        "versions": versions,
    }


def percent(share: float | None) -> float | None:
    """Give a share in percent."""
    return None if share is None else 100 * share


def peak_mb(status: Path = Path("/proc/self/status")) -> float:
    """Give the most memory that was resident. Linux's ru_maxrss starts at what the parent had: the status does not."""
    lines = status.read_text().splitlines() if status.is_file() else []
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if kilobytes is None else kilobytes) / 1024
