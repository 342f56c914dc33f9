"""Read the native format: ``dataset.toml``, ``faces.jsonl`` (one JSON object an image) and images."""

from __future__ import annotations

import hashlib
import logging
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.errors import DataError, UsageError
from facewire_edge.geometry import Box
from facewire_edge.schema import POINTS5, LandmarkSchema, find_schema
from facewire_edge.settings import unknown_key
from numpy.typing import NDArray

from facewire_train.labels import (
    HEADER_FILE,
    LABEL_FILE,
    SPLITS,
    Background,
    Dataset,
    Refuse,
    Sample,
    accepted,
    box_array,
    box_or_tight,
    find_image,
    labelled_points,
    labelled_size,
    point_array,
    read_label_text,
)
from facewire_train.values import expect, is_flag, is_name, is_number, parse_json, required, shown

log = logging.getLogger(__name__)

FORMAT = 1
HEADER_KEYS = ("format", "name", "schema", "about", "terms")
IMAGE_KEYS = ("image", "width", "height", "split", "subset", "complete", "faces")
FACE_KEYS = ("box", "points", "visibility", "points5", "person", "ignore", "attributes", "filled")


def read_native(path: Path, refuse: Refuse) -> Dataset:
    """Read a folder in the native format.

    Raises:
        DataError: header or schema cannot be read, or there is no face.

    """
    header = _read_header(path / HEADER_FILE)
    schema = _find_schema(header["schema"], path)
    labels = path / LABEL_FILE
    text = read_label_text(labels)
    lines = [(line, f"{labels}:{number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    name = header["name"]
    found = list(accepted(lines, lambda pair: _read_line(path, pair[0], schema, name, pair[1]), refuse))
    samples = tuple(sample for faces, _, _ in found for sample in faces)
    backgrounds = tuple(empty for _, empty, _ in found if empty is not None)
    _warn_of({key for *_, unknown in found for key in unknown}, labels)
    if not samples and not backgrounds:
        raise DataError(f"{labels} lists no face")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Dataset(name, schema, samples, header.get("terms", ""), path, digest, backgrounds)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = tomllib.loads(read_label_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{path} is no TOML: {error}") from error
    if header.get("format", FORMAT) != FORMAT:  # first: another format may have other keys
        raise DataError(f"{path}: format {shown(header['format'])}, expected {FORMAT}")
    for key in header:
        if key not in HEADER_KEYS:
            raise DataError(f"{path}: {unknown_key(key, HEADER_KEYS)}")
    if "format" not in header:
        raise DataError(f"{path}: key 'format' is missing; expected format = {FORMAT}")
    for key in ("name", "schema"):
        if not isinstance(header.get(key), str):
            raise DataError(f"{path}: key {key!r} is missing or no text")
    expect(isinstance(header.get("terms", ""), str), "terms must be text", header.get("terms"), str(path))
    return header


def _find_schema(name: str, folder: Path) -> LandmarkSchema:
    try:
        return find_schema(str(folder / name) if name.endswith(".toml") else name)
    except UsageError as error:
        raise DataError(f"{folder / HEADER_FILE}: {error}") from error


def _warn_of(unknown: Collection[str], labels: Path) -> None:
    if unknown:
        log.warning(
            "%s: unknown keys %s are passed over; known of an image: %s; of a face: %s",
            labels,
            ", ".join(map(repr, sorted(unknown))),
            ", ".join(IMAGE_KEYS),
            ", ".join(FACE_KEYS),
        )


def _unknown_keys(entry: Mapping[str, Any]) -> frozenset[str]:
    """Give the keys that mean nothing here: other tools may write some of their own."""
    of_faces = (key for face in entry["faces"] for key in face if key not in FACE_KEYS)
    return frozenset((*of_faces, *(key for key in entry if key not in IMAGE_KEYS)))


def _read_line(
    path: Path, line: str, schema: LandmarkSchema, source: str, where: str
) -> tuple[list[Sample], Background | None, frozenset[str]]:
    """Read one image's faces, or the image where it shows none, and the unknown keys.

    A face without points (``null``) keeps its box.
    """
    entry = _entry_of(line, where)
    image = find_image(entry["image"], (path,), where)
    split, subset = entry.get("split", "train"), entry.get("subset", source)
    expect(split in SPLITS, f"split must be one of {', '.join(SPLITS)}", split, where)
    expect(is_name(subset), "subset must be text", subset, where)
    complete, size_px = _flag(entry, "complete", where), labelled_size(entry, where)
    faces = [
        Sample(
            image=image,
            points=(points := point_array(face.get("points"), schema.n, where)),
            visible=_visible(face.get("visibility"), points, where),
            visibility=face.get("visibility") or "",
            points5=(points5 := _points5(face, points, schema, where)),
            box=_box(face.get("box"), points, points5, where),
            split=split,
            subset=str(subset),
            subject=_person(face, where) or entry["image"],
            source=source,
            complete=complete,
            ignore=_flag(face, "ignore", where),
            attributes=_object(face, "attributes", where),
            size_px=size_px,
            filled=_filled(_object(face, "filled", where), points, where),
        )
        for face in entry["faces"]
    ]
    shows_none = complete and not faces
    empty = Background(image, split, str(subset), entry["image"], size_px) if shows_none else None
    return faces, empty, _unknown_keys(entry)


def _entry_of(line: str, where: str) -> dict[str, Any]:
    """Give a line's JSON object, whose faces are objects too; what is ``null`` is left out."""
    entry = parse_json(line, where)
    expect(isinstance(entry, dict), "expected a JSON object with image and faces", entry, where)
    image, faces = (required(entry, key, f"{where}: not a line of the native format") for key in ("image", "faces"))
    expect(isinstance(faces, list), "faces must be a list of JSON objects", faces, where)
    for face in faces:
        expect(isinstance(face, dict), "a face must be a JSON object with box or points", face, where)
    return {"image": image, **_said(entry), "faces": [_said(face) for face in faces]}


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _flag(values: Mapping[str, Any], key: str, where: str) -> bool:
    value = values.get(key, False)
    expect(is_flag(value), f"{key} must be true or false", value, where)
    return bool(value)


def _object(values: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = values.get(key, {})
    expect(isinstance(value, dict), f"{key} must be a JSON object", value, where)
    return dict(value)


def _person(face: Mapping[str, Any], where: str) -> str:
    person = face.get("person", "")
    expect(is_name(person), "person must be text", person, where)
    return str(person)


def _box(values: Any, points: NDArray[np.float32], points5: NDArray[np.float32] | None, where: str) -> Box:
    """Give the labelled box, or the tight box of whatever points there are."""
    known = points if points5 is None or np.isfinite(points).any() else points5
    return box_or_tight(None if values is None else box_array(values, where), known, where)


def _visible(letters: Any, points: NDArray[np.float32], where: str) -> NDArray[np.bool_]:
    labelled = labelled_points(points)
    if letters is None:
        return labelled
    holds = isinstance(letters, str) and len(letters) == len(points) and set(letters) <= set("vos")
    expect(holds, f"visibility must be {len(points)} letters of v, o, s", letters, where)
    return np.asarray(labelled & np.array([letter == "v" for letter in letters]), dtype=np.bool_)


def _points5(
    face: dict[str, Any], points: NDArray[np.float32], schema: LandmarkSchema, where: str
) -> NDArray[np.float32] | None:
    if face.get("points5") is not None:
        return point_array(face["points5"], POINTS5.n, where)
    return None if schema.points5 is None else schema.points5_of(points)


def _filled(values: dict[str, Any], points: NDArray[np.float32], where: str) -> dict[int, float]:
    """Give the weights of the points that a model filled in."""
    labelled = {str(i) for i in np.flatnonzero(labelled_points(points))}
    for index, weight in values.items():
        holds = index in labelled and is_number(weight) and 0 < weight <= 1
        expect(holds, "filled must give labelled points a weight in (0, 1]", {index: weight}, where)
    return {int(index): float(weight) for index, weight in values.items()}
