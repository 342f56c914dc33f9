"""Write folders whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facewire_edge.errors import OutputError, UsageError
from facewire_edge.files import refuse_unwritable

MAC_SHADOW = "._"  # `._a.jpg` beside `a.jpg` on a disk that is not the Mac's: no image


def refuse_used(out: Path) -> None:
    """Refuse a place where something is already, or where nothing can be written, before the work that it is for.

    Raises:
        UsageError: it is a file or a folder that is not empty.
        OutputError: the folder that it lies in takes no file.

    """
    if out.resolve() == Path.cwd():
        raise UsageError(f"{out} is the working folder itself; choose another --out")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; choose another --out or remove it")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, expected a folder; choose another --out")
    if not out.exists():
        refuse_unwritable(out)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``out`` that takes its name when the block ends well.

    Raises:
        OutputError: the disk does not take it.

    """
    temporary = None
    try:
        place = out.resolve()  # a link to an empty folder stays one
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(place)  # an empty folder of that name gives way
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        reason = error.strerror or error
        raise OutputError(f"cannot write {out}: {reason}; free the disk or choose another folder") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def files_under(folder: Path, pattern: str) -> list[Path]:
    """Give the files and folders below a folder whose name fits, in order, without what macOS lays beside them."""
    return sorted(path for path in folder.rglob(pattern) if not path.name.startswith(MAC_SHADOW))
