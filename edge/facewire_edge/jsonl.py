"""The sink that appends whole lines to a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from facewire_edge.errors import OutputError
from facewire_edge.message import to_line


class JsonlSink:
    """Append whole lines to a file; beyond a size begin a new one and keep the last few as FILE.1, FILE.2, ..."""

    def __init__(self, path: Path, max_bytes: int | None = None, keep: int = 1) -> None:
        self._path = path
        self._max_bytes, self._keep = max_bytes, keep
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open(path)
            self._lead = b"\n" if _ends_within_line(path) else b""
        except OSError as error:
            raise self._refused(error) from error

    def publish(self, message: dict[str, Any]) -> None:
        """Append a line; where the disk takes only a part of it, take the part back.

        Raises:
            OutputError: the disk does not take the line.

        """
        data = self._lead + to_line(message).encode() + b"\n"
        try:
            size = os.fstat(self._file).st_size
            if self._max_bytes is not None and size > 0 and size + len(data) > self._max_bytes:
                size = self._rotate()
            if os.write(self._file, data) < len(data):
                os.ftruncate(self._file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._refused(error) from error
        self._lead = b""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _rotate(self) -> int:
        """Rename FILE to FILE.1, FILE.1 to FILE.2 and so on; give the size of the new file."""
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._keep + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
        fresh = _open(self._path)
        os.close(self._file)
        self._file = fresh
        return 0

    def _refused(self, error: OSError) -> OutputError:
        reason = error.strerror or str(error)
        return OutputError(f"cannot write {self._path}: {reason}; free the disk or choose another file")


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _ends_within_line(path: Path) -> bool:
    """Say whether a file's last line was cut off, as by a power cut: the next line must not continue it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
