"""Read COCO keypoints JSON, as CVAT and Label Studio export it, with any number of points."""

from __future__ import annotations

import logging
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.schema import SCHEMAS, LandmarkSchema
from numpy.typing import NDArray

from facewire_train.folders import MAC_SHADOW
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
class _Layout:
    """Say how a category's annotations keep the points."""

    order: NDArray[np.int64]  # (N,) place in the annotation of each point of the schema
    count: int  # keypoints of an annotation


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """Hold what the faces of one file share."""

    path: Path
    folder: Path
    schema: LandmarkSchema
    images: Mapping[Any, Mapping[str, Any]]
    layouts: Mapping[Any, _Layout]  # by category, where several name their keypoints
    default: _Layout | None  # of all annotations, where none or one does


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
    found = sorted(
        f for folder in (path, path / "annotations") for f in folder.glob("*.json") if not f.name.startswith(MAC_SHADOW)
    )
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
    annotations = [a for a in _objects(values, "annotations", file) if "keypoints" in a]
    if not annotations:
        raise DataError(f"{file}: no annotation has keypoints; export as `COCO keypoints`")
    named = _point_names(values, file)
    schema = _schema(folder, named, file)
    layouts, default = _layouts(schema, named, file)
    shared = _File(file, folder, schema, _images(values, file), layouts, default)
    return shared, _of_faces(annotations, shared)


def _images(values: Mapping[str, Any], file: Path) -> dict[str | int, dict[str, Any]]:
    images: dict[str | int, dict[str, Any]] = {}
    for image in _objects(values, "images", file):
        identity = _id(image, file)
        expect(identity not in images, "every image must have an id of its own", identity, str(file))
        images[identity] = image
    return images


def _of_faces(annotations: Sequence[dict[str, Any]], shared: _File) -> list[dict[str, Any]]:
    """Leave out what is of a category whose keypoints are not the schema's: a body, a hand."""
    kept = [a for a in annotations if _layout_of(a, shared) is not None]
    if len(kept) < len(annotations):
        count, name = len(annotations) - len(kept), shared.schema.name
        log.warning("%s: %d annotations have keypoints that schema %s has not; left out", shared.path, count, name)
    return kept


def _layout_of(annotation: Mapping[str, Any], shared: _File) -> _Layout | None:
    category = annotation.get("category_id")
    return shared.layouts.get(category, shared.default) if is_name(category) else shared.default


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


def _point_names(values: Mapping[str, Any], file: Path) -> list[tuple[Any, list[str]]]:
    """Give id and keypoint names of each category that names them."""
    categories = _objects({"categories": [], **values}, "categories", file)
    found = [(c.get("id"), c["keypoints"]) for c in categories if c.get("keypoints")]
    for _, names in found:
        holds = isinstance(names, list) and all(isinstance(name, str) for name in names)
        expect(holds, "keypoints of a category must be a list of names", names, str(file))
    return found


def _plain(name: str) -> str:
    """Give a name as everybody means it who writes it: without case, spaces and lines."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def _schema(folder: Path, named: Sequence[tuple[Any, list[str]]], file: Path) -> LandmarkSchema:
    known = [{_plain(name) for name in names} for _, names in named]
    schema = own_schema(folder) or next((s for s in SCHEMAS.values() if {_plain(n) for n in s.names} in known), None)
    if schema is None:
        raise DataError(
            f"{folder} has no schema for {file.name}; put a .toml with name, names, mirror and eye_corners beside it, "
            "see train/README.md"
        )
    return schema


def _layouts(
    schema: LandmarkSchema, named: Sequence[tuple[Any, list[str]]], file: Path
) -> tuple[dict[Any, _Layout], _Layout | None]:
    """Give the layout of each category, or where none or one names its keypoints that of all annotations.

    Raises:
        DataError: no category has the schema's points.

    """
    if not named:
        return {}, _Layout(np.arange(schema.n), schema.n)
    found = {identity: layout for identity, names in named if (layout := _layout(schema, names, file)) is not None}
    if not found:
        raise DataError(f"{file}: {_misfit(schema, named[0][1])}")
    return (found, None) if len(named) > 1 else ({}, next(iter(found.values())))


def _layout(schema: LandmarkSchema, names: list[str], file: Path) -> _Layout | None:
    """Say where a category keeps each point: by name where it has the schema's names, by place where it has none."""
    places, wanted = {_plain(name): i for i, name in enumerate(names)}, [_plain(name) for name in schema.names]
    if all(name in places for name in wanted):
        return _Layout(np.array([places[name] for name in wanted]), len(names))
    if len(names) != schema.n or any(name in places for name in wanted):
        return None
    log.warning("%s: no keypoint has a name of schema %s; they are taken by their place", file, schema.name)
    return _Layout(np.arange(schema.n), schema.n)


def _misfit(schema: LandmarkSchema, names: list[str]) -> str:
    known = {_plain(name) for name in names}
    missing = [name for name in schema.names if _plain(name) not in known]
    if len(missing) < schema.n:
        return f"no keypoint is called {', '.join(missing[:3])}, as in schema {schema.name}; rename it in one of both"
    return f"{len(names)} keypoints, the schema {schema.name} has {schema.n} of other names"


def _face(annotation: Mapping[str, Any], shared: _File) -> Sample:
    where = f"{shared.path}: annotation {shown(annotation.get('id', '?'))}"
    image = _image(annotation, shared, where)
    layout = _layout_of(annotation, shared)
    assert layout is not None  # others are left out
    rows = _rows(annotation["keypoints"], layout.count, where)[layout.order]
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
