"""Write drawn frames as one video or as a folder of PNGs, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from facewire_edge.errors import DataError, FacewireError, OutputError, UsageError
from facewire_edge.files import opencv_name, replacing
from facewire_edge.types import Image

VIDEO_SUFFIXES = {".mp4": "mp4v", ".avi": "MJPG"}


class Writer(Protocol):
    """Take the drawn frames in order."""

    def __call__(self, image: Image, name: str) -> None:
        """Keep one frame."""


@contextmanager
def video_writer(out: Path, fps: float) -> Iterator[Writer]:
    """Give the writer of a video; ``out`` appears when the block ends well.

    Raises:
        DataError: the pictures differ in size.
        OutputError: the disk does not take the video.

    """
    with replacing(out) as temporary:
        writer = _VideoWriter(temporary, out, fps)
        try:
            yield writer
        finally:
            writer.release()
        writer.check()


class _VideoWriter:
    """Encode frames into ``path``, the temporary file behind ``out``."""

    def __init__(self, path: Path, out: Path, fps: float) -> None:
        self._path, self._out, self._fps = path, out, fps
        self._writer: Any = None
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def __call__(self, image: Image, name: str) -> None:
        import cv2

        if self._writer is None:
            self._open(image.shape)
        if image.shape != self._shape:  # OpenCV would drop it without a word
            raise DataError(f"{name} differs in size from the pictures before it; a folder as OUT takes any size")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._count += 1

    def _open(self, shape: tuple[int, ...]) -> None:
        import cv2

        code = cv2.VideoWriter.fourcc(*VIDEO_SUFFIXES[self._out.suffix.lower()])
        name = opencv_name(self._path)
        self._writer, self._shape = cv2.VideoWriter(name, code, self._fps, (shape[1], shape[0])), shape
        if not self._writer.isOpened():
            raise OutputError(f"cannot write the video {self._out}; choose another folder or suffix")

    def release(self) -> None:
        if self._writer is not None:
            self._writer.release()

    def check(self) -> None:
        """Look whether the file is whole: OpenCV does not report a full disk."""
        import cv2

        capture = cv2.VideoCapture(opencv_name(self._path))
        found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if found < self._count:
            raise OutputError(f"cannot write {self._out}: {found} of {self._count} frames arrived; free the disk")


@contextmanager
def picture_writer(out: Path) -> Iterator[Writer]:
    """Give the writer of a folder of PNGs; ``out`` appears when the block ends well.

    Raises:
        UsageError: ``out`` holds something already.
        OutputError: the disk does not take the pictures.

    """
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; choose another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror}; choose another folder") from error
    try:
        yield lambda image, name: _write_png(folder, image, name)
        folder.chmod(0o755)
        folder.replace(out)  # takes the place of an empty folder
    except OSError as error:
        if isinstance(error, FacewireError):
            raise
        raise OutputError(f"cannot write {out}: {error.strerror}; free the disk or choose another folder") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_png(folder: Path, image: Image, name: str) -> None:
    """Write a picture under its name; the second of a.jpg and a.png keeps its whole name."""
    import cv2

    path = folder / f"{Path(name).stem}.png"
    path = folder / f"{name}.png" if path.exists() else path
    good, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not good:
        raise OutputError(f"cannot encode {path.name} as PNG")
    path.write_bytes(data.tobytes())
