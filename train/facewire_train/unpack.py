"""Unpack an archive whole or not at all, and nothing outside its folder."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
import zlib
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from facewire_edge.errors import DataError, OutputError, UsageError

from facewire_train.folders import whole_folder

# What zipfile and tarfile raise on what they cannot read; BadGzipFile is an OSError, but not the disk's.
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, BadGzipFile)


def unpack(archive: Path, out: Path) -> None:
    """Unpack a zip or a tar, told by its content, into the new folder ``out``.

    Raises:
        DataError: the archive is broken, or holds a name or a link that leaves the folder.
        OutputError: the disk does not take it; nothing is left.

    """
    with whole_folder(out) as folder:
        try:
            if zipfile.is_zipfile(archive):
                _unpack_zip(archive, folder)
            else:
                _unpack_tar(archive, folder)
        except BROKEN as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{archive.name} cannot be unpacked: {reason}; nothing of it was kept") from error


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            _refuse_leaving(name, archive)
        wanted, free = sum(entry.file_size for entry in file.infolist()), shutil.disk_usage(folder).free
        if wanted > free:
            raise OutputError(f"{archive.name} unpacks to {wanted:,} bytes, {free:,} are free; free the disk")
        file.extractall(folder)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as file:
        if not hasattr(tarfile, "data_filter"):
            found = ".".join(str(part) for part in sys.version_info[:3])
            raise UsageError(
                f"unpacking a tar safely needs Python 3.11.4 or newer, got {found}; run: tar -xf {archive}"
            )
        file.extractall(folder, filter="data")


def _refuse_leaving(name: str, archive: Path) -> None:
    """Refuse a name that zipfile would bend in silence."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]:
        raise DataError(f"{archive.name} holds {name!r}, which leaves its folder; nothing of it was kept")
