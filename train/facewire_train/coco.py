"""Read COCO keypoints JSON, as CVAT and Label Studio export it, with any number of points."""

from __future__ import annotations

import json
import logging
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.schema import SCHEMAS, LandmarkSchema
from numpy.typing import NDArray

from facewire_train.labels import (
    UNKNOWN_TERMS,
    Dataset,
    Refuse,
    Sample,
    accepted,
    box_array,
    digest_of,
    image_name,
    is_placed,
    labelled_points,
    own_schema,
    read_label_text,
    reason_of,
)

log = logging.getLogger(__name__)

IMAGE_FOLDERS = ("", "images", "img", "train", "val", "test", "images/default", "images/train", "images/val")
LABELLED, VISIBLE = 1, 2  # the third number of a keypoint; 0 is not labelled
SPLIT_WORDS = ("test", "val")  # `val2017`, `validation` and the like begin with them


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """Hold what the faces of one file share."""

    path: Path
    folder: Path
    schema: LandmarkSchema
    images: Mapping[Any, Mapping[str, Any]]
    order: NDArray[np.int64]  # (N,) place in the file of each point of the schema
    count: int  # keypoints of the file


def is_coco(file: Path) -> bool:
    """Say whether a file begins like COCO keypoints and names annotations."""
    with file.open("rb") as text:
        head = text.read(1 << 16)
        if head.removeprefix(BOM_UTF8).lstrip()[:1] != b"{":
            return False
        return any(b'"annotations"' in part for part in (head, *iter(lambda: text.read(1 << 20), b"")))


def read_coco(path: Path, refuse: Refuse) -> Dataset:
    """Read the COCO files of a folder and of its folder ``annotations``.

    The schema is a TOML beside the images, or a built-in one whose names the file's category has.

    Raises:
        DataError: there is no file, no schema, or a file is not COCO.

    """
    found = sorted(f for folder in (path, path / "annotations") for f in folder.glob("*.json"))
    files = [file for file in found if is_coco(file)]
    for file in found:
        if file not in files:
            log.warning("%s is no COCO file (it names no annotations) and is left out", file)
    if not files:
        raise DataError(f"{path} holds no .json with annotations (COCO keypoints)")
    parsed = [_open(file, path) for file in files]
    first = parsed[0][0].schema
    samples = [
        sample
        for shared, annotations in parsed
        for sample in accepted(annotations, partial(_face, shared=shared), refuse)
    ]
    return Dataset(path.name, first, tuple(samples), UNKNOWN_TERMS, path, digest_of(files))


def _open(file: Path, folder: Path) -> tuple[_File, list[Mapping[str, Any]]]:
    try:
        values = json.loads(read_label_text(file))
        keypoint_names = next((list(c["keypoints"]) for c in values.get("categories", ()) if c.get("keypoints")), [])
        annotations = [a for a in values["annotations"] if "keypoints" in a]
        images = {image["id"]: image for image in values["images"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is no COCO file ({reason_of(error)}); expected images, annotations") from error
    if not annotations:
        raise DataError(f"{file}: no annotation has keypoints; export as `COCO keypoints`")
    schema = _schema(folder, keypoint_names, file)
    count = len(keypoint_names) or schema.n
    return _File(file, folder, schema, images, _order(schema, keypoint_names, file), count), annotations


def _schema(folder: Path, names: list[str], file: Path) -> LandmarkSchema:
    schema = own_schema(folder) or next((s for s in SCHEMAS.values() if set(s.names) == set(names)), None)
    if schema is None:
        raise DataError(
            f"{folder} has no schema for {file.name}; put a .toml with name, names, mirror and eye_corners beside it, "
            "see train/README.md"
        )
    return schema


def _order(schema: LandmarkSchema, names: list[str], file: Path) -> NDArray[np.int64]:
    """Say where the file keeps each point: by name where it has the schema's names, else by place."""
    if set(schema.names) <= set(names):
        return np.array([names.index(name) for name in schema.names])
    if names and len(names) != schema.n:
        raise DataError(f"{file}: {len(names)} keypoints, the schema {schema.name} has {schema.n} of other names")
    return np.arange(schema.n)


def _face(annotation: Mapping[str, Any], shared: _File) -> Sample:
    where = f"{shared.path}: annotation {annotation.get('id', '?')}"
    try:
        if annotation["image_id"] not in shared.images:
            raise DataError(f"{where}: not a COCO annotation: no image has the id {annotation['image_id']!r}")
        image = _image(str(shared.images[annotation["image_id"]]["file_name"]), shared, where)
        rows = _rows(annotation["keypoints"], shared.count, where)[shared.order]
        points = np.where(rows[:, 2:] >= LABELLED, rows[:, :2], np.nan).astype(np.float32)
        box = _box(annotation.get("bbox"), points, where)
        said = dict(annotation.get("attributes", {}))
        attributes = {name: value for name, value in said.items() if isinstance(value, int | float | str)}
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: not a COCO annotation ({reason_of(error)})") from error
    return Sample(
        image=image,
        box=box,
        points=points,
        visible=labelled_points(points) & (rows[:, 2] >= VISIBLE),
        points5=None if shared.schema.points5 is None else shared.schema.points5_of(points),
        split=_split(shared.path, image, shared.folder),
        subset=shared.path.stem,
        subject=str(attributes.pop("person", image.relative_to(shared.folder))),
        source=shared.folder.name,
        ignore=bool(annotation.get("iscrowd", 0)),
        attributes=attributes,
    )


def _rows(values: Any, count: int, where: str) -> NDArray[np.float64]:
    flat = np.asarray(values, dtype=np.float64)
    if flat.shape != (3 * count,):
        raise DataError(f"{where}: {flat.size / 3:g} points, expected {count} of x, y, visibility")
    if not np.isfinite(flat).all():
        raise DataError(f"{where}: a number is not finite; take the annotation out")
    return flat.reshape(-1, 3)


def _box(values: Any, points: NDArray[np.float32], where: str) -> Box:
    """Give the annotated box, or the tight box of the points where the tool wrote none (or an empty one)."""
    if values is not None and len(values) == 4 and values[2] > 0 and values[3] > 0:
        x, y, w, h = (float(v) for v in values)
        return box_array([x, y, x + w, y + h], where)
    if not is_placed(points):
        raise DataError(f"{where}: a face needs a bbox or two points")
    return Box.around(points)


def _image(name: str, shared: _File, where: str) -> Path:
    relative = image_name(name, where)
    for folder in IMAGE_FOLDERS:
        if (shared.folder / folder / relative).is_file():
            return shared.folder / folder / relative
    raise DataError(f"{where}: no image {name} below {shared.folder}")


def _split(file: Path, image: Path, folder: Path) -> str:
    """Tell the split from the words in the names of the file and of the image's folder."""
    return next(_splits_in(file.stem, *image.relative_to(folder).parent.parts), "train")


def _splits_in(*names: str) -> Iterator[str]:
    for name in names:
        words = name.lower().replace("-", "_").split("_")
        yield from (split for split in SPLIT_WORDS if any(word.startswith(split) for word in words))
