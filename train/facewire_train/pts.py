"""Read images with ``.pts`` files beside them: 300-W, and whatever else its annotation tools wrote."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.schema import IBUG68, LandmarkSchema
from numpy.typing import NDArray

from facewire_train.folders import files_under
from facewire_train.labels import (
    IMAGE_SUFFIXES,
    TEST_WORD,
    TRAIN_WORD,
    UNKNOWN_TERMS,
    Dataset,
    Refuse,
    Sample,
    accepted,
    box_or_tight,
    digest_of,
    own_schema,
    read_label_text,
)
from facewire_train.values import LARGEST_PX

# The folders of 300-W's distribution that its protocol tests on, and what papers call them.
# Source: C. Sagonas et al. 2016, "300 Faces In-The-Wild Challenge: database and results".
TEST_FOLDERS = {"ibug": "challenging", "01_indoor": "private", "02_outdoor": "private"}
COMMON = {"lfpw", "helen"}  # whose test sets together are the common subset


def read_pts_folder(path: Path, refuse: Refuse) -> Dataset:
    """Read a folder of images and ``.pts`` files: 68 points, or as many as the schema beside them has.

    Raises:
        DataError: there is none, or the schema is not valid.

    """
    files = files_under(path, "*.pts")
    if not files:
        raise DataError(f"{path} holds no .pts files (300-W)")
    schema = own_schema(path) or IBUG68
    samples = tuple(accepted(files, lambda file: _read_face(file, path, schema), refuse))
    return Dataset(path.resolve().name, schema, samples, UNKNOWN_TERMS, path, digest_of(files))


def _read_face(file: Path, folder: Path, schema: LandmarkSchema) -> Sample:
    images = [file.with_suffix(s) for suffix in IMAGE_SUFFIXES for s in (suffix, suffix.upper())]
    image = next((i for i in images if i.is_file()), None)
    if image is None:
        raise DataError(f"no image beside {file}; expected {file.stem} with one of {', '.join(IMAGE_SUFFIXES)}")
    points = read_pts(file)
    if len(points) != schema.n:
        hint = "300-W" if schema is IBUG68 else schema.name
        raise DataError(f"{file}: {len(points)} points, expected {schema.n} ({hint})")
    split, subset = split_and_subset(file.parent, folder)
    return Sample(
        image=image,
        box=box_or_tight(None, points, str(file)),
        points=points,
        visible=np.ones(len(points), bool),
        points5=None if schema.points5 is None else schema.points5_of(points),
        split=split,
        subset=subset,
        subject=str(image.relative_to(folder)),
        source=folder.resolve().name,
    )


def split_and_subset(place: Path, folder: Path) -> tuple[str, str]:
    """Tell both from the names of the folder and of those below it down to ``place``, as 300-W's protocol has them.

    The deepest name that says something decides: a set may lie in somebody's folder ``test``.
    """
    root, below = folder.resolve(), place.relative_to(folder).parts
    names = [name.lower() for name in (root.name, *below)]
    subset = "/".join(below or (root.name,))
    for name in reversed(names):
        if name in TEST_FOLDERS:
            return "test", TEST_FOLDERS[name]
        if TEST_WORD.search(name):
            return "test", "common" if COMMON & {root.parent.name.lower(), *names} else subset
        if TRAIN_WORD.search(name):
            break
    return "train", subset


def read_pts(path: Path) -> NDArray[np.float32]:
    """Read a ``.pts`` file, with or without its header; 1-based there, 0-based here.

    Raises:
        DataError: the file holds anything but pairs of finite numbers; the message names the line.

    """
    lines = [line.strip() for line in read_label_text(path).splitlines()]
    rows = {i: line for i, line in enumerate(lines, 1) if line and line not in "{}" and ":" not in line}
    points = _points(rows.values())
    if points is None:
        number, row = next((i, row) for i, row in rows.items() if _points([row]) is None)
        what = f"{path}:{number}: got {row!r}, expected two finite numbers of pixels"
        raise DataError(f"{what}; this is no .pts file, or it is damaged")
    return points - np.float32(1)


def _points(rows: Collection[str]) -> NDArray[np.float32] | None:
    """Give the points (N, 2) of rows, None where one of these is anything but two finite numbers."""
    try:
        points = np.array([row.replace(",", " ").split() for row in rows], dtype=np.float64).reshape(-1, 2)
    except ValueError:
        return None
    holds = len(points) == len(rows) and (np.abs(points) <= LARGEST_PX).all()
    return points.astype(np.float32) if holds else None
