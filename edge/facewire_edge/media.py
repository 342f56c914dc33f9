"""Inputs of which every frame counts: videos, stills, raw streams."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from facewire_edge.errors import DataError
from facewire_edge.files import opencv_name
from facewire_edge.types import Frame, Image

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
DEFAULT_FPS = 25.0  # of a file that does not say, and of paced stills: PAL's, between the two common rates
DAMAGE = 250  # frames in a row that cannot be decoded, before the rest is given up: a usual group of H.264
NEARLY = 0.98  # of the frames that a video's header counts: an estimate in some formats


class StillError(DataError):
    """Report one still of a folder that cannot be read."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name


class Pace:
    """Place frames on the media's own time from the first one on; wait for it where a file stands in for a camera."""

    def __init__(self, realtime: bool) -> None:
        self._realtime = realtime
        self._start_ns: int | None = None

    def __call__(self, media_s: float) -> int:
        """Give the monotonic time of a frame, which comes so many seconds after the first."""
        if self._start_ns is None:
            self._start_ns = time.monotonic_ns()
        time_ns = self._start_ns + round(media_s * 1e9)
        if self._realtime:
            time.sleep(max(0.0, (time_ns - time.monotonic_ns()) / 1e9))
        return time_ns


class MediaClock:
    """Give the time of each frame of a file, which may have no constant rate."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._first_s = self._now_s = 0.0
        self._index = 0

    def __call__(self, told_s: float) -> float:
        """Give the seconds since the first frame.

        Args:
            told_s: the container's time of the frame. Where it does not go on (always 0, a frame that jumps back), the
                frame comes at the file's rate after the one before.

        """
        if self._index == 0:
            self._first_s = told_s
        elif told_s - self._first_s > self._now_s:
            self._now_s = told_s - self._first_s
        else:
            self._now_s += 1 / self._fps
        self._index += 1
        return self._now_s


class VideoFile:
    """Read every frame of a file."""

    live, still = False, False

    def __init__(self, path: Path, realtime: bool = False) -> None:
        import cv2

        self._path = path
        self._index = self._damaged = 0
        self._capture = cv2.VideoCapture(opencv_name(path))
        if not self._capture.isOpened():
            self._capture.release()
            raise DataError(
                f"{path} is no video that OpenCV can read ({path.stat().st_size} bytes); expected mp4, avi ..."
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if np.isfinite(fps) and fps > 0 else DEFAULT_FPS
        self._count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)  # 0 or less where the file does not say
        self._clock = MediaClock(self.fps)
        self._pace = Pace(realtime)

    def read(self) -> Frame | None:
        """Give the next frame that can be decoded, None at the end.

        Raises:
            DataError: the file opens and holds no frame.

        """
        import cv2

        image = self._next()
        if image is None and self._index == 0:
            raise DataError(f"{self._path} holds no frame that OpenCV can read; is the file whole?")
        if image is None:
            self._tell_of_losses()
            return None
        self._index += 1
        media_s = self._clock(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
        return Frame(to_rgb(image), self._index - 1, self._pace(media_s))

    def _next(self) -> Any | None:
        """Pass over what is damaged: OpenCV says the same of a frame that it cannot decode as of the end."""
        for lost in range(DAMAGE):
            good, image = self._capture.read()
            if good:
                self._damaged += lost
                return image
            if self._index + self._damaged + lost >= self._count:
                break
        return None

    def _tell_of_losses(self) -> None:
        if self._damaged:
            log.warning("%s: %d frames in the middle cannot be read; is the file whole?", self._path, self._damaged)
        elif self._index < NEARLY * self._count:  # of a variable rate, or whose sound is longer, it is an estimate
            log.info("%s ends after %d frames; its header tells of %d", self._path, self._index, self._count)

    def close(self) -> None:
        """Release the file."""
        self._capture.release()


class ImageFolder:
    """Read independent stills, in the order of their names; a path to one still is a folder of one.

    They have no media time, which would run ahead of the clock where they are read faster than it says.
    """

    live, still = False, True

    def __init__(self, path: Path, fps: float | None = None, realtime: bool = False) -> None:
        self._files = [path] if path.is_file() else stills_in(path)
        self._fps = fps or DEFAULT_FPS
        self._pace = Pace(realtime) if realtime else None
        self._index = 0

    def read(self) -> Frame | None:
        """Give the next still, None at the end; its time is that of reading it.

        Raises:
            StillError: it cannot be read; the next call gives the next one.

        """
        if self._index == len(self._files):
            return None
        self._index += 1
        path = self._files[self._index - 1]
        image = _read_still(path)
        time_ns = time.monotonic_ns() if self._pace is None else self._pace((self._index - 1) / self._fps)
        return Frame(image, self._index - 1, time_ns, path.name)

    def close(self) -> None:
        """Hold nothing open."""


class RawStream:
    """Read raw RGB24 frames, as ``ffmpeg -f rawvideo -pix_fmt rgb24 -`` writes them."""

    live, still = False, False

    def __init__(self, stream: IO[bytes], width: int, height: int, fps: float, *, realtime: bool = False) -> None:
        self._stream = stream
        self._shape = (height, width, 3)
        self._fps = fps
        self._pace = Pace(realtime)
        self._index = 0

    def read(self) -> Frame | None:
        """Give the next frame, None at the end.

        Raises:
            DataError: the stream ends within a frame.

        """
        height, width, channels = self._shape
        wanted = height * width * channels
        data = self._stream.read(wanted)
        if not data:
            return None
        if len(data) < wanted:
            raise DataError(
                f"standard input ended within frame {self._index}: got {len(data)} of the {wanted} bytes of "
                f"{width}x{height} RGB24; check --raw"
            )
        self._index += 1
        image = np.frombuffer(data, np.uint8).reshape(self._shape)
        return Frame(image, self._index - 1, self._pace((self._index - 1) / self._fps))

    def close(self) -> None:
        """Leave standard input to the process."""


def to_rgb(image: NDArray[Any]) -> Image:
    """Give OpenCV's BGR picture as RGB."""
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def stills_in(folder: Path) -> list[Path]:
    """List the stills of a folder; a broken link stays in, so that it is reported.

    Raises:
        DataError: there is none, or the folder cannot be listed.

    """
    try:
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.is_dir())
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}; check the permissions") from error
    if not files:
        raise DataError(f"{folder} holds no image; expected files that end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return files


def _read_still(path: Path) -> Image:
    import cv2

    if path.exists() and not path.is_file():  # a named pipe would be waited for
        raise StillError(path.name, "is no file")
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise StillError(path.name, f"cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error as error:  # a picture above OpenCV's limit of 2**30 pixels
        raise StillError(path.name, f"OpenCV refuses it: {error.err}") from error
    if image is None:
        raise StillError(path.name, f"is no image that OpenCV can read ({len(data)} bytes)")
    return to_rgb(image)
