"""The sink that appends whole lines to a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from facewire_edge.errors import OutputError
from facewire_edge.message import to_line

NEW = ".new"  # of the next file, until it has its name


class JsonlSink:
    """Append whole lines to a file; beyond a size begin a new one and keep the last few as FILE.1, FILE.2, ..."""

    def __init__(self, path: Path, max_bytes: int | None = None, keep: int = 1) -> None:
        self._path = path
        self._max_bytes, self._keep = max_bytes, keep
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lead, self._file = _lead_of(path), _open(path)
        except OSError as error:
            raise self._refused(error) from error

    def publish(self, message: dict[str, Any]) -> None:
        """Append a line; where the disk takes only a part of it, take the part back.

        Raises:
            OutputError: the disk does not take the line.

        """
        line = to_line(message).encode() + b"\n"
        try:
            if not self._is_in_place():
                self._take(_lead_of(self._path), _open(self._path))
            data = self._lead + line
            size = os.fstat(self._file).st_size
            if self._max_bytes is not None and size > 0 and size + len(data) > self._max_bytes:
                size, data = self._rotate(), line
            if os.write(self._file, data) < len(data):
                os.ftruncate(self._file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._refused(error) from error
        self._lead = b""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _is_in_place(self) -> bool:
        """Say whether the open file still has its name: logrotate or a user may have moved it or removed it."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _take(self, lead: bytes, file: int) -> None:
        os.close(self._file)
        self._lead, self._file = lead, file

    def _rotate(self) -> int:
        """Rename FILE to FILE.1, FILE.1 to FILE.2 and so on; give the size of the new file.

        It is made first: where that fails, as where the disk is full, no old file gives way.
        """
        fresh = Path(f"{self._path}{NEW}")
        file = _open(fresh, os.O_TRUNC)  # what a crash left of it
        try:
            names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._keep + 1))]
            for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
                if newer.exists():
                    newer.replace(older)
            fresh.replace(self._path)
        except OSError:
            os.close(file)
            raise
        self._take(b"", file)
        return 0

    def _refused(self, error: OSError) -> OutputError:
        reason = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror or str(error)
        return OutputError(f"cannot write {self._path}: {reason}; free the disk or choose another file")


def _open(path: Path, more: int = 0) -> int:
    """Open a file to append to; a pipe without a reader is an error at once instead of a wait for one."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | more, 0o644)
    os.set_blocking(file, True)
    return file


def _lead_of(path: Path) -> bytes:
    """Give what must come before the next line: where a power cut left half a line, its end."""
    if not path.is_file() or not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"
