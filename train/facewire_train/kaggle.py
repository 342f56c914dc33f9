"""Read the CSV of Kaggle's facial keypoints detection: 96x96 grey pictures inside the table, most rows incomplete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.schema import LandmarkSchema, schema_from_dict
from numpy.typing import NDArray

from facewire_train.images import PIXELS, ROW_MARK
from facewire_train.labels import (
    UNKNOWN_TERMS,
    Dataset,
    Refuse,
    Sample,
    accepted,
    box_or_tight,
    digest_of,
    labelled_points,
    split_of,
)
from facewire_train.tables import Columns, read_columns
from facewire_train.values import LARGEST_PX

# Subject's right before left; the table's own names.
NAMES = (
    *("right_eye_center", "left_eye_center", "right_eye_inner_corner", "left_eye_inner_corner"),
    *("right_eye_outer_corner", "left_eye_outer_corner", "right_eyebrow_inner_end", "left_eyebrow_inner_end"),
    *("right_eyebrow_outer_end", "left_eyebrow_outer_end", "nose_tip", "mouth_right_corner", "mouth_left_corner"),
    *("mouth_center_top_lip", "mouth_center_bottom_lip"),
)
KAGGLE15: LandmarkSchema = schema_from_dict(
    {
        "name": "kaggle15",
        "names": list(NAMES),
        "mirror": [[i, NAMES.index(n.replace("right", "left"))] for i, n in enumerate(NAMES) if "right" in n],
        "eye_corners": [4, 5],
        "contours": [
            {"name": "right_brow", "indices": [8, 6]},
            {"name": "left_brow", "indices": [7, 9]},
            {"name": "right_eye", "indices": [4, 0, 2]},
            {"name": "left_eye", "indices": [3, 1, 5]},
            {"name": "mouth", "indices": [11, 13, 12, 14], "closed": True},
        ],
        "points5": [[0], [1], [10], [11], [12]],
    }
)


def is_kaggle(file: Path) -> bool:
    """Say whether a path is a table of this kind, by its first line."""
    if not file.is_file():
        return False
    with file.open("rb") as table:
        names = read_columns(table).names
    return PIXELS in names and f"{NAMES[0]}_x" in names


def read_kaggle(path: Path, refuse: Refuse) -> Dataset:
    """Read the tables of a folder.

    Raises:
        DataError: there is none, or its columns are not the set's.

    """
    files = sorted(file for file in path.glob("*.csv") if is_kaggle(file))
    if not files:
        raise DataError(f"{path} holds no .csv with the columns {NAMES[0]}_x and {PIXELS} (Kaggle's training.csv)")
    samples = [sample for file in files for sample in accepted(_rows(file), _face, refuse)]
    return Dataset(path.name, KAGGLE15, tuple(samples), UNKNOWN_TERMS, path, digest_of(files))


@dataclass(frozen=True, slots=True)
class _Row:
    """Hold a row of a table, its cells as text."""

    file: Path
    start: int  # byte of the table
    number: int  # line of the table
    columns: Columns
    cells: tuple[str, ...]

    @property
    def where(self) -> str:
        """Name the row for a message."""
        return f"{self.file}:{self.number}"


def _rows(file: Path) -> Iterator[_Row]:
    with file.open("rb") as table:
        columns = read_columns(table)
        missing = [f"{n}_{axis}" for n in NAMES for axis in "xy" if f"{n}_{axis}" not in columns.names]
        if missing:
            raise DataError(f"{file}:1: no column {missing[0]!r}; expected the 30 columns of Kaggle's training.csv")
        start, number = table.tell(), 2
        for line in iter(table.readline, b""):
            cells = columns.cells(line)
            if any(cells):
                yield _Row(file, start, number, columns, cells)
            start, number = table.tell(), number + 1


def _face(row: _Row) -> Sample:
    names = row.columns.names
    if len(row.cells) != len(names):
        raise DataError(f"{row.where}: {len(row.cells)} columns, expected {len(names)}")
    values = dict(zip(names, row.cells, strict=True))
    side = _side(values[PIXELS], row.where)
    points = _points(values, row.where)
    image = row.file.with_name(f"{row.file.name}{ROW_MARK}{row.start}")
    return Sample(
        image=image,
        box=box_or_tight(Box(0.0, 0.0, side - 1.0, side - 1.0), points, row.where),  # the pictures are faces already
        points=points,
        visible=labelled_points(points),
        points5=KAGGLE15.points5_of(points),
        split=split_of(row.file.name),
        subset=row.file.stem,
        subject=image.name,
        source=row.file.parent.name,
        complete=True,
    )


def _side(cell: str, where: str) -> int:
    """Give the side of a row's square picture by the count of its pixels; they are read when they are needed."""
    count = len(cell.split())
    side = isqrt(count)
    if side < 2 or side * side != count:
        raise DataError(f"{where}: {count} pixels, expected a square of numbers from 0 to 255 (96x96)")
    return side


def _points(values: dict[str, str], where: str) -> NDArray[np.float32]:
    pairs = [[_number(values, f"{name}_{axis}", where) for axis in "xy"] for name in NAMES]
    points = np.array(pairs, np.float32)
    points[~labelled_points(points)] = np.nan
    return points


def _number(values: dict[str, str], column: str, where: str) -> float:
    """Give a coordinate, with a point or a decimal comma; NaN where the cell is empty."""
    cell = values[column]
    try:
        number = float(cell.replace(",", ".") or "nan")
    except ValueError:
        number = np.inf
    if abs(number) > LARGEST_PX:
        raise DataError(f"{where}: {column} is {cell!r}, expected a finite number of pixels or an empty cell")
    return number
