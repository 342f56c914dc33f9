"""Write files whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facewire_edge.errors import OutputError, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder and rename it to ``path`` when the block ends well.

    The temporary file keeps the suffix of ``path`` (OpenCV and Keras choose the format by it).

    Raises:
        OutputError: the folder or the file cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _output_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, OutputError) or _is_of_another(error, temporary):
            raise
        raise _output_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_unwritable(*paths: Path | None) -> None:
    """Refuse files that could not be written, before the work whose results they are; None is passed over.

    Nothing is left behind: what is missing of a file's folder is made when the file is written.

    Raises:
        OutputError: one is a folder, or the folder that it lies in takes no file.

    """
    for path in filter(None, paths):
        try:
            _try_to_write(path)
        except OSError as error:
            raise _output_error(path, error) from error


def _try_to_write(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with tempfile.TemporaryFile(dir=next(place for place in path.absolute().parents if place.exists())):
        pass


def _is_of_another(error: OSError, temporary: Path) -> bool:
    """Say whether an error is of a file that is read for what is written: it names it."""
    return error.filename is not None and str(error.filename) != str(temporary)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, text.encode())


def opencv_name(path: Path) -> str:
    """Give a path as OpenCV opens it: with a slash, for FFmpeg takes what stands before a colon for a protocol.

    OpenCV ends the process on one that is no UTF-8 (SIGSEGV, OpenCV 5.0.0).

    Raises:
        UsageError: it is none.

    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{path} is no UTF-8, which OpenCV cannot open; rename it") from error
    return str(path) if path.is_absolute() else f"./{path}"


def _output_error(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {path}: {reason}; free the disk, check the permissions or choose another folder")
