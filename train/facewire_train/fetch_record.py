"""Remember beside a fetched set what came, so that the next time something else is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from facewire_edge.errors import DataError
from facewire_edge.files import write_text
from facewire_edge.settings import from_mapping

RECORD = "fetched.jsonl"  # lines, not .json: a COCO reader looks into every .json of a folder


@dataclass(frozen=True, slots=True)
class Fetched:
    """Hold what came from an address."""

    name: str
    url: str
    bytes: int
    sha256: str
    published: str  # the publisher's checksum that it was compared with; empty: there was none, it was trusted
    date: str  # UTC, ISO 8601


def read_fetched(folder: Path) -> Mapping[str, Fetched]:
    """Read the record of a folder, by file name; empty where there is none.

    Raises:
        DataError: the record is broken.

    """
    file = folder / RECORD
    if not file.is_file():
        return {}
    try:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        found = [from_mapping(Fetched, line, str(file)) for line in lines]
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file} is broken ({error}); remove it to fetch the set again") from error
    return {fetched.name: fetched for fetched in found}


def remember(folder: Path, fetched: Fetched) -> None:
    """Put a file into the record of a folder, in place of what it said of it before."""
    known = {**read_fetched(folder), fetched.name: fetched}
    write_text(folder / RECORD, "".join(json.dumps(asdict(entry)) + "\n" for entry in known.values()))


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Give the checksum of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
