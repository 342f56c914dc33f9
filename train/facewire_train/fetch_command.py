"""The verb ``fetch``: a public set's name in, its files unpacked into a folder out."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facewire_edge.errors import DataError, OutputError, UsageError
from facewire_edge.files import write_text
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from facewire_train.catalogue import PublicFile, PublicSet, find_set, load_catalogue
from facewire_train.download import Report, download
from facewire_train.fetch_record import Fetched, digest, read_fetched, remember
from facewire_train.unpack import unpack

log = logging.getLogger(__name__)

FOLDER = Path("data")
TERMS = "TERMS.txt"
YES = ("y", "yes")


def run(arguments: argparse.Namespace) -> None:
    """List the sets, or show one's terms and fetch it; print what lies in the folder then."""
    sets = load_catalogue()
    if arguments.list:
        print(as_text(sets))
        return
    if not arguments.name:
        raise UsageError(f"which set? known: {', '.join(sets)}")
    chosen = find_set(sets, arguments.name)
    print(about(arguments.name, chosen), file=sys.stderr)
    if not chosen.files:
        raise UsageError(f"no command can fetch {arguments.name}: {chosen.manual}")
    _confirm(arguments.name, arguments.yes)
    folder = arguments.out or FOLDER / arguments.name
    fetch(chosen, folder)
    print(json.dumps(report_of(arguments.name, chosen, folder), indent=1))
    _say_next(chosen, folder)


def fetch(chosen: PublicSet, folder: Path) -> None:
    """Bring a folder to hold all files of a set that can be fetched; what is there already is left as it is.

    Raises:
        DataError: a server does not give what is expected.
        OutputError: the disk does not take it.
        UsageError: something in the folder is in the way.

    """
    _make_folder(folder)
    write_text(folder / TERMS, f"{chosen.title}\n{chosen.homepage}\n{chosen.terms}\n")
    for file in chosen.files:
        known = read_fetched(folder).get(file.name)
        if (folder / file.result).exists():
            _check_present(folder / file.result, file, known)
        else:
            remember(folder, _fetch_file(file, folder, known))


def as_text(sets: Mapping[str, PublicSet]) -> str:
    """Give the sets as a table: name, how it comes, reader's format, title."""
    rows = [("set", "how", "format", "what it is")]
    rows += [(name, _how(s), s.format or "-", s.title) for name, s in sets.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join("  ".join([*(f"{row[i]:{widths[i]}}" for i in range(3)), row[3]]) for row in rows)


def about(name: str, chosen: PublicSet) -> str:
    """Give what a person must know before she fetches a set."""
    files = [f"  file      {f.url} ({f'{f.bytes:,} bytes' if f.bytes else 'size not published'})" for f in chosen.files]
    lines = [f"{name}: {chosen.title}", f"  homepage  {chosen.homepage}", f"  terms     {chosen.terms}", *files]
    return "\n".join([*lines, *([f"  by hand   {chosen.manual}"] if chosen.manual else [])])


def report_of(name: str, chosen: PublicSet, folder: Path) -> dict[str, Any]:
    """Give what lies in a fetched folder as JSON values."""
    known = read_fetched(folder)
    return {
        "set": name,
        "folder": str(folder),
        "format": chosen.format or None,
        "terms": chosen.terms,
        "by_hand": chosen.manual or None,
        "files": [{"path": str(folder / f.result), "sha256": known[f.name].sha256} for f in chosen.files],
    }


def _how(chosen: PublicSet) -> str:
    if not chosen.files:
        return "by hand"
    return "partly" if chosen.manual else "fetched"


def _confirm(name: str, agreed: bool) -> None:
    """Ask for a yes to the terms that were shown.

    Raises:
        UsageError: it was not given, or there is no terminal on which it could be.

    """
    if agreed:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"the terms of {name} must be accepted; there is no terminal to ask, so run again with --yes")
    print("Fetch it under these terms? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in YES:
        raise UsageError(f"the terms of {name} were not accepted; nothing was fetched")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{folder} is a file, expected a folder; choose another --out") from error
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}; choose another --out") from error


def _check_present(path: Path, file: PublicFile, known: Fetched | None) -> None:
    """Refuse what lies where a file shall, unless it is that file."""
    if known is None:
        raise UsageError(f"{path} is in the way, it was not fetched here; move it away or choose another --out")
    if not file.is_archive and digest(path) != known.sha256:
        raise DataError(f"{path} is not what was fetched on {known.date}; remove it to fetch it again")
    log.info("%s is there already, fetched on %s", path, known.date)


def _fetch_file(file: PublicFile, folder: Path, known: Fetched | None) -> Fetched:
    part = folder / f"{file.name}.part"
    with _progress() as bars:
        download(file, part, _report(bars, file.name))
    log.info("checking %s", file.name)
    fetched = _checked(file, part, known)
    if file.is_archive:
        log.info("unpacking %s", file.name)
        _unpack(part, folder / file.result)
    else:
        part.replace(folder / file.result)
    return fetched


def _checked(file: PublicFile, part: Path, known: Fetched | None) -> Fetched:
    """Compare a file with the checksum that was published, or with the one that was seen the first time.

    Raises:
        DataError: it is another file; the part is removed, because nothing can go on from it.

    """
    found = digest(part)
    algorithm, _, published = file.checksum.partition(":")
    if published:
        _compare(file, part, found if algorithm == "sha256" else digest(part, algorithm), published, "as published")
    elif known is not None:
        _compare(file, part, found, known.sha256, f"as seen on {known.date}")
    else:
        log.info("%s: nobody published a checksum; %s was recorded, and is expected the next time", file.name, found)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Fetched(file.name, file.url, part.stat().st_size, found, file.checksum, now)


def _compare(file: PublicFile, part: Path, found: str, expected: str, origin: str) -> None:
    if found == expected:
        return
    part.unlink()
    raise DataError(
        f"{file.url} has the checksum {found}, expected {expected} ({origin}); it was removed: fetch it again, "
        "and see the set's homepage if that does not help"
    )


def _unpack(part: Path, out: Path) -> None:
    """Unpack an archive, and remove it: for good where it is broken, since its bytes are those that were checked."""
    try:
        unpack(part, out)
    except DataError:
        part.unlink()
        raise
    part.unlink()


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def _report(bars: Progress, name: str) -> Report:
    task = bars.add_task(name, total=None)
    return lambda have, total: bars.update(task, completed=have, total=total)


def _say_next(chosen: PublicSet, folder: Path) -> None:
    """Say on the log what a person still has to do."""
    if chosen.manual:
        log.warning("still to be fetched by hand: %s", chosen.manual)
    if chosen.format:
        source, out = shlex.quote(f"{folder}:{chosen.format}"), shlex.quote(f"{folder}_native")
        log.info("next: facewire-train import %s --out %s --terms %s", source, out, shlex.quote(chosen.terms))
    else:
        log.info("facewire-train import has no reader for it yet; bring it into the native format, see train/README.md")
