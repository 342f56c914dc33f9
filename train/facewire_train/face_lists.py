"""Read text lists of one face a line: WFLW's (98 points) and MMLAB's, also known as MTFL's (5 points)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.schema import POINTS5, WFLW98, LandmarkSchema
from numpy.typing import NDArray

from facewire_train.folders import files_under
from facewire_train.labels import (
    UNKNOWN_TERMS,
    Dataset,
    Refuse,
    Sample,
    accepted,
    box_array,
    box_or_tight,
    digest_of,
    find_image,
    read_label_text,
    split_of,
)
from facewire_train.values import LARGEST_PX, expect

WFLW_LISTS = "list_98pt*.txt"
WFLW_FULL = "rect_attr"  # in the names of the lists that also hold box and attributes
WFLW_ATTRIBUTES = ("pose", "expression", "illumination", "make_up", "occlusion", "blur")
MTFL_LISTS = ("training.txt", "testing.txt", "trainImageList.txt", "testImageList.txt")
MTFL_ATTRIBUTES = ("gender", "smile", "glasses", "pose")
MTFL_ATTRIBUTE_MAX = 5  # pose is 1 to 5, the others 1 or 2: this tells attributes from coordinates
BOX_NUMBERS, FIVE_NUMBERS = 4, 10
IMAGE_FOLDERS = ("", "WFLW_images", "images", "img")
NUMBERED_PERSON = re.compile(r"(?P<person>[A-Z](?=.*[a-z])\D*)_\d{4}$")  # LFW: Some_Name_0003; not img_0003 or IMG_0003


@dataclass(frozen=True, slots=True)
class _Line:
    """Hold a line of a list."""

    fields: tuple[str, ...]
    list_: Path
    number: int

    @property
    def where(self) -> str:
        """Name the line for a message."""
        return f"{self.list_}:{self.number}"


def read_wflw(path: Path, refuse: Refuse) -> Dataset:
    """Read WFLW's lists: 196 coordinates, then mostly a box and six attributes, then the image's name.

    Raises:
        DataError: there is no list.

    """
    found = files_under(path, WFLW_LISTS)
    lists = [file for file in found if WFLW_FULL in file.name] or found
    if not lists:
        raise DataError(f"{path} holds no {WFLW_LISTS} (WFLW)")
    lines = [line for file in lists for line in _lines(file)]
    samples = tuple(accepted(lines, lambda line: _wflw_face(line, path), refuse))
    return Dataset(path.name, WFLW98, samples, UNKNOWN_TERMS, path, digest_of(lists))


def read_mtfl(path: Path, refuse: Refuse) -> Dataset:
    """Read MMLAB's lists: the image's name, then box and x, y of five points, or all x, all y and four attributes.

    Raises:
        DataError: there is no list.

    """
    lists = [file for file in files_under(path, "*.txt") if file.name in MTFL_LISTS]
    if not lists:
        raise DataError(f"{path} holds none of {', '.join(MTFL_LISTS)} (MMLAB, MTFL)")
    samples: list[Sample] = []
    for file in lists:
        lines = list(_lines(file))
        by_axis = _has_attributes(lines)
        samples += accepted(lines, partial(_mtfl_face, folder=path, by_axis=by_axis), refuse)
    return Dataset(path.name, POINTS5, tuple(samples), UNKNOWN_TERMS, path, digest_of(lists))


def _lines(file: Path) -> list[_Line]:
    rows = enumerate(read_label_text(file).splitlines(), 1)
    return [_Line(tuple(row.split()), file, number) for number, row in rows if row.strip()]


def _has_attributes(lines: Sequence[_Line]) -> bool:
    """Say whether most lines of a list, 14 numbers each, end in attributes rather than in a point."""
    ends = [line.fields[-len(MTFL_ATTRIBUTES) :] for line in lines]
    like = [all(value.isdecimal() and 1 <= int(value) <= MTFL_ATTRIBUTE_MAX for value in end) for end in ends]
    return 2 * sum(like) > len(like)


def _wflw_face(line: _Line, folder: Path) -> Sample:
    count = 2 * WFLW98.n
    full = count + BOX_NUMBERS + len(WFLW_ATTRIBUTES)
    numbers = next((i for i, field in enumerate(line.fields) if not _is_number(field)), 0)
    line = _name_last(line, numbers) if numbers in (count, full) else line
    values = _numbers(line.fields[:-1], (count, full), line.where)
    points = values[:count].reshape(-1, 2)
    box, flags = values[count : count + BOX_NUMBERS], values[count + BOX_NUMBERS :]
    attributes = dict(zip(WFLW_ATTRIBUTES, (int(f) for f in flags), strict=bool(len(flags))))
    return _sample(line, folder, WFLW98, points, box_array(box.tolist(), line.where) if len(box) else None, attributes)


def _name_last(line: _Line, numbers: int) -> _Line:
    """Give a line as so many numbers and one name, which may hold spaces."""
    return _Line((*line.fields[:numbers], " ".join(line.fields[numbers:])), line.list_, line.number)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _mtfl_face(line: _Line, folder: Path, by_axis: bool) -> Sample:
    expected = FIVE_NUMBERS + BOX_NUMBERS
    name = max(1, len(line.fields) - expected)  # words of the name, which comes first here
    name = 1 if _is_number(line.fields[name - 1]) else name
    turned = (*line.fields[name:], *line.fields[:name])
    line = _name_last(_Line(turned, line.list_, line.number), len(line.fields) - name)
    values = _numbers(line.fields[:-1], (expected,), line.where)
    if by_axis:
        points = values[:FIVE_NUMBERS].reshape(2, -1).T
        attributes = dict(zip(MTFL_ATTRIBUTES, (int(v) for v in values[FIVE_NUMBERS:]), strict=True))
        return _sample(line, folder, POINTS5, points, None, attributes)
    x0, x1, y0, y1 = values[:BOX_NUMBERS].tolist()
    box = box_array([x0, y0, x1, y1], line.where)
    return _sample(line, folder, POINTS5, values[BOX_NUMBERS:].reshape(-1, 2), box, {})


def _sample(
    line: _Line,
    folder: Path,
    schema: LandmarkSchema,
    points: NDArray[np.float64],
    box: Box | None,
    attributes: dict[str, int],
) -> Sample:
    image = _image(line, folder)
    points32 = points.astype(np.float32)
    person = NUMBERED_PERSON.match(image.stem)
    return Sample(
        image=image,
        box=box_or_tight(box, points32, line.where),
        points=points32,
        visible=np.ones(schema.n, bool),
        points5=schema.points5_of(points32),
        split=split_of(line.list_.name),
        subset=image.parent.name,
        subject=person["person"] if person else str(image.relative_to(folder)),
        source=folder.name,
        attributes=attributes,
    )


def _image(line: _Line, folder: Path) -> Path:
    """Find a line's image beside its list, or in the folders where the sets keep them."""
    bases = dict.fromkeys((line.list_.parent, folder))
    return find_image(line.fields[-1], (base / images for base in bases for images in IMAGE_FOLDERS), line.where)


def _numbers(fields: Sequence[str], counts: tuple[int, ...], where: str) -> NDArray[np.float64]:
    if len(fields) not in counts:
        expected = " or ".join(str(count) for count in counts)
        raise DataError(f"{where}: {len(fields)} numbers beside the image's name, expected {expected}")
    values = np.array([_number(field) for field in fields], dtype=np.float64)
    fine = np.abs(values) <= LARGEST_PX
    wrong = fields[int(np.argmin(fine))]
    expect(bool(fine.all()), "expected finite numbers of pixels beside the image's name", wrong, where)
    return values


def _number(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        return np.nan
