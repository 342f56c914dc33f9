"""Read the cells of a table, quoted or bare, between commas or, as Excel writes them in much of Europe, semicolons."""

from __future__ import annotations

import csv
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import IO

from facewire_edge.errors import DataError

DELIMITERS = ",;"
LONGEST_HEADER = 1 << 16  # bytes: a longer first line is no header

csv.field_size_limit(2**31 - 1)  # a picture of 180x180 pixels is longer than csv's own limit for a cell


@dataclass(frozen=True, slots=True)
class Columns:
    """Hold the names of a table's columns, and what stands between its cells."""

    names: tuple[str, ...]
    delimiter: str

    def cells(self, line: bytes) -> tuple[str, ...]:
        """Give the cells of a line, which is a whole row: one quote too many spoils no other row."""
        return _cells(line.decode("utf-8", errors="replace"), self.delimiter)


def read_columns(table: IO[bytes]) -> Columns:
    """Read a table's first line."""
    line = table.readline(LONGEST_HEADER).decode("utf-8-sig", errors="replace")
    delimiter = max(DELIMITERS, key=line.count)
    return Columns(_cells(line, delimiter), delimiter)


def cell_at(file: Path, start: int, column: str) -> str:
    """Give a cell of the row that starts at a byte of a table.

    Raises:
        DataError: there is no such row or column any more.

    """
    with file.open("rb") as table:
        columns = read_columns(table)
        table.seek(start)
        cells = columns.cells(table.readline())
    if column not in columns.names or len(cells) != len(columns.names):
        raise DataError(f"{file}: no whole row starts at byte {start}; the table has changed: read it again")
    return cells[columns.names.index(column)]


def line_at(file: Path, start: int) -> int:
    """Give the number of the line, from 1, that starts at a byte of a file."""
    return bisect_right(_line_ends(file, file.stat().st_mtime_ns), start) + 1


@lru_cache(maxsize=4)
def _line_ends(file: Path, _changed_ns: int) -> list[int]:
    """Give the byte after each line; a report names many rows of the same few tables, which may be gigabytes."""
    with file.open("rb") as table:
        return list(accumulate(len(line) for line in table))


def _cells(line: str, delimiter: str) -> tuple[str, ...]:
    reader = csv.reader([line.strip().replace("\r", " ")], delimiter=delimiter)
    return tuple(cell.strip() for cell in next(reader, []))
