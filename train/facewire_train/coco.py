"""Read COCO keypoints JSON, as CVAT and Label Studio export it, with any number of points."""

from __future__ import annotations

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
    box_or_tight,
    digest_of,
    find_image,
    labelled_points,
    labelled_size,
    own_schema,
    read_label_text,
)
from facewire_train.values import are_numbers, expect, is_flag, is_name, is_number, parse_json, required, shown

log = logging.getLogger(__name__)

IMAGE_FOLDERS = ("", "images", "img", "train", "val", "test", "images/default", "images/train", "images/val")
LONGEST_START = 1 << 16  # bytes in which the first brace is looked for
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
    """Say whether a path is a file that begins like COCO keypoints and names annotations."""
    if not file.is_file():
        return False
    text = file.read_bytes()
    return text[:LONGEST_START].removeprefix(BOM_UTF8).lstrip()[:1] == b"{" and b'"annotations"' in text


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


def _open(file: Path, folder: Path) -> tuple[_File, list[dict[str, Any]]]:
    values = parse_json(read_label_text(file), str(file))
    expect(isinstance(values, dict), "expected a JSON object with images and annotations", values, str(file))
    images = {_id(image, file): image for image in _objects(values, "images", file)}
    annotations = [a for a in _objects(values, "annotations", file) if "keypoints" in a]
    if not annotations:
        raise DataError(f"{file}: no annotation has keypoints; export as `COCO keypoints`")
    names = _point_names(values, file)
    schema = _schema(folder, names, file)
    count = len(names) or schema.n
    return _File(file, folder, schema, images, _order(schema, names, file), count), annotations


def _objects(values: Mapping[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    """Give the JSON objects of a list."""
    found = required(values, key, f"{file} is no COCO file")
    holds = isinstance(found, list) and all(isinstance(item, dict) for item in found)
    expect(holds, f"{key} must be a list of JSON objects", found, str(file))
    return list(found)


def _id(image: Mapping[str, Any], file: Path) -> str | int:
    identity: str | int = required(image, "id", f"{file} is no COCO file")
    expect(is_name(identity), "an image's id must be a number", identity, str(file))
    return identity


def _point_names(values: Mapping[str, Any], file: Path) -> list[str]:
    """Give the names of the keypoints, as the first category that has some has them."""
    categories = _objects({"categories": [], **values}, "categories", file)
    names: Any = next((c["keypoints"] for c in categories if c.get("keypoints")), [])
    holds = isinstance(names, list) and all(isinstance(name, str) for name in names)
    expect(holds, "keypoints of a category must be a list of names", names, str(file))
    return list(names)


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
    where = f"{shared.path}: annotation {shown(annotation.get('id', '?'))}"
    image = _image(annotation, shared, where)
    rows = _rows(annotation["keypoints"], shared.count, where)[shared.order]
    points = np.where(rows[:, 2:] >= LABELLED, rows[:, :2], np.nan).astype(np.float32)
    attributes, ignore = _attributes(annotation, where), annotation.get("iscrowd", 0)
    expect(is_flag(ignore), "iscrowd must be 0 or 1", ignore, where)
    person = str(attributes.pop("person", ""))  # empty where a tool shows a field that nobody filled in
    return Sample(
        image=image,
        box=box_or_tight(_box(annotation.get("bbox"), where), points, where),
        points=points,
        visible=labelled_points(points) & (rows[:, 2] >= VISIBLE),
        points5=None if shared.schema.points5 is None else shared.schema.points5_of(points),
        split=_split(shared.path, image, shared.folder),
        subset=shared.path.stem,
        subject=person or str(image.relative_to(shared.folder)),
        source=shared.folder.name,
        size_px=labelled_size(shared.images[annotation["image_id"]], where),
        ignore=bool(ignore),
        attributes=attributes,
    )


def _image(annotation: Mapping[str, Any], shared: _File, where: str) -> Path:
    identity = required(annotation, "image_id", f"{where}: not a COCO annotation")
    if not is_name(identity) or identity not in shared.images:
        raise DataError(f"{where}: not a COCO annotation: no image has the id {shown(identity)}")
    image = shared.images[identity]
    name = required(image, "file_name", f"{where}: image {shown(identity)} is not COCO's")
    return find_image(name, (shared.folder / place for place in IMAGE_FOLDERS), where)


def _attributes(annotation: Mapping[str, Any], where: str) -> dict[str, int | float | str]:
    said = annotation.get("attributes") or {}
    expect(isinstance(said, dict), "attributes must be a JSON object", said, where)
    return {name: value for name, value in said.items() if isinstance(value, int | float | str)}


def _rows(values: Any, count: int, where: str) -> NDArray[np.float64]:
    expect(isinstance(values, list), "keypoints must be a list of numbers", values, where)
    if len(values) != 3 * count:
        raise DataError(f"{where}: {len(values) / 3:g} points, expected {count} of x, y, visibility")
    wrong = next((value for value in values if not is_number(value)), 0)
    expect(is_number(wrong), "keypoints must be finite numbers of pixels", wrong, where)
    return np.array(values, np.float64).reshape(-1, 3)


def _box(values: Any, where: str) -> Box | None:
    """Give the annotated box, None where the tool wrote none, or an empty one."""
    if not values:
        return None
    expect(are_numbers(values, 4), "bbox must be x, y, width, height", values, where)
    x, y, w, h = values
    return box_array([x, y, x + w, y + h], where) if w > 0 and h > 0 else None


def _split(file: Path, image: Path, folder: Path) -> str:
    """Tell the split from the words in the names of the file and of the image's folder."""
    return next(_splits_in(file.stem, *image.relative_to(folder).parent.parts), "train")


def _splits_in(*names: str) -> Iterator[str]:
    for name in names:
        words = name.lower().replace("-", "_").split("_")
        yield from (split for split in SPLIT_WORDS if any(word.startswith(split) for word in words))
