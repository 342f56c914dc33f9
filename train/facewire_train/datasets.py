"""Read labelled faces: facewire's native format and 300-W style folders."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.errors import DataError, UsageError
from facewire_edge.geometry import Box
from facewire_edge.schema import IBUG68, POINTS5, LandmarkSchema, find_schema
from numpy.typing import NDArray

FORMAT = 1
VALIDATION_PERCENT = 5  # of the training subjects, chosen by a hash so that everybody holds back the same ones
SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Hold one labelled face; points in image pixels, NaN where a point is not labelled."""

    image: Path
    box: Box  # as the set gives it: conventions differ
    points: NDArray[np.float32]  # (N, 2)
    visible: NDArray[np.bool_]  # (N,)
    points5: NDArray[np.float32] | None  # (5, 2), where the set has them too
    split: str  # train, val or test
    subset: str
    subject: str  # split key: the person, or the file where no person is named
    source: str  # name of the set
    complete: bool = False  # every face of the image is listed
    ignore: bool = False  # a face that is neither wanted nor background


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Hold all samples of a folder."""

    name: str
    schema: LandmarkSchema
    samples: tuple[Sample, ...]
    terms: str
    path: Path
    fingerprint: str  # of the labels: changes when they change

    def split(self, name: str) -> tuple[Sample, ...]:
        """Give the samples of one split."""
        return tuple(s for s in self.samples if s.split == name)


def read_dataset(path: Path) -> Dataset:
    """Read a folder in the native format, or images with ``.pts`` files beside them.

    Raises:
        DataError: the folder is missing, empty or in no known format, or a label cannot be meant; the message names
            file and line.

    """
    if not path.is_dir():
        raise DataError(
            f"no data folder {path}; expected a folder with dataset.toml and faces.jsonl, or images and .pts"
        )
    if (path / "dataset.toml").is_file() or (path / "faces.jsonl").is_file():
        return _read_native(path)
    files = sorted(path.rglob("*.pts"))
    if not files:
        raise DataError(f"{path} holds neither dataset.toml and faces.jsonl (native) nor .pts files (300-W)")
    return _read_pts(path, files)


def hold_back(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Move the validation subjects off the training split."""
    return tuple(replace(s, split="val") if s.split == "train" and _is_validation(s.subject) else s for s in samples)


def _is_validation(subject: str) -> bool:
    return int(hashlib.sha256(subject.encode()).hexdigest()[:8], 16) % 100 < VALIDATION_PERCENT


def _read_native(path: Path) -> Dataset:
    header = _read_header(path / "dataset.toml")
    schema = _find_schema(str(header["schema"]), path)
    labels = path / "faces.jsonl"
    try:
        text = labels.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {labels}: {error}") from error
    samples: list[Sample] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            samples += _read_line(path, line, schema, str(header["name"]), f"{labels}:{number}")
    if not samples:
        raise DataError(f"{labels} lists no face")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Dataset(str(header["name"]), schema, hold_back(samples), str(header.get("terms", "")), path, digest)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = tomllib.loads(path.read_text())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no TOML: {error}") from error
    if header.get("format") != FORMAT:
        raise DataError(f"{path}: format {header.get('format')!r}, expected {FORMAT}")
    for key in ("name", "schema"):
        if not isinstance(header.get(key), str):
            raise DataError(f"{path}: key {key!r} is missing or no text")
    return header


def _find_schema(name: str, folder: Path) -> LandmarkSchema:
    try:
        return find_schema(str(folder / name) if name.endswith(".toml") else name)
    except UsageError as error:
        raise DataError(f"{folder / 'dataset.toml'}: {error}") from error


def _read_line(path: Path, line: str, schema: LandmarkSchema, source: str, where: str) -> list[Sample]:
    """Read one image's faces; a face without points (``null``) keeps its box."""
    try:
        entry = json.loads(line)
        image = path / entry["image"]
        if not image.is_file():
            raise DataError(f"{where}: no image {image}")
        split = str(entry.get("split", "train"))
        if split not in SPLITS:
            raise DataError(f"{where}: split {split!r}, expected one of {', '.join(SPLITS)}")
        return [
            Sample(
                image=image,
                points=(points := _points(face.get("points"), schema.n, where)),
                visible=_visible(face.get("visibility"), points, where),
                points5=(points5 := _points5(face, points, schema, where)),
                box=_box(face.get("box"), points, points5, where),
                split=split,
                subset=str(entry.get("subset", source)),
                subject=str(face.get("person", entry["image"])),
                source=source,
                complete=bool(entry.get("complete", False)),
                ignore=bool(face.get("ignore", False)),
            )
            for face in entry["faces"]
        ]
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: not a line of the native format ({type(error).__name__}: {error})") from error


def _box(values: Any, points: NDArray[np.float32], points5: NDArray[np.float32] | None, where: str) -> Box:
    """Give the labelled box, or the tight box of whatever points there are."""
    if values is None:
        known = points if np.isfinite(points).any() else points5
        if known is None or not np.isfinite(known).any():
            raise DataError(f"{where}: a face needs a box or points")
        return Box.around(known)
    box = np.asarray(values, dtype=np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        raise DataError(f"{where}: box must be finite x0 < x1, y0 < y1, got {values!r}")
    return Box(*box.tolist())


def _points(values: Any, n: int, where: str) -> NDArray[np.float32]:
    """Give (N, 2) with NaN for ``null``; a NaN in the file itself is a broken label."""
    points = np.full((n, 2), np.nan, np.float32)
    if values is None:
        return points
    if len(values) != n:
        raise DataError(f"{where}: {len(values)} points, the schema has {n}")
    for i, value in enumerate(values):
        if value is None:
            continue
        if len(value) != 2 or not np.isfinite(np.asarray(value, dtype=np.float64)).all():
            raise DataError(f"{where}: point {i} is {value!r}, expected two finite numbers or null")
        points[i] = value
    return points


def _visible(letters: Any, points: NDArray[np.float32], where: str) -> NDArray[np.bool_]:
    labelled = np.asarray(np.isfinite(points).all(axis=1), dtype=np.bool_)
    if letters is None:
        return labelled
    if len(letters) != len(points) or set(letters) - set("vos"):
        raise DataError(f"{where}: visibility must be {len(points)} letters of v, o, s, got {letters!r}")
    return np.asarray(labelled & np.array([letter == "v" for letter in letters]), dtype=np.bool_)


def _points5(
    face: dict[str, Any], points: NDArray[np.float32], schema: LandmarkSchema, where: str
) -> NDArray[np.float32] | None:
    if face.get("points5") is not None:
        return _points(face["points5"], POINTS5.n, where)
    return None if schema.points5 is None else schema.points5_of(points)


def _read_pts(path: Path, files: list[Path]) -> Dataset:
    samples = [_read_pts_face(file, path) for file in files]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return Dataset(path.name, IBUG68, hold_back(samples), "unknown; see the set's own terms", path, digest.hexdigest())


def _read_pts_face(file: Path, folder: Path) -> Sample:
    images = [file.with_suffix(s) for suffix in IMAGE_SUFFIXES for s in (suffix, suffix.upper())]
    image = next((i for i in images if i.is_file()), None)
    if image is None:
        raise DataError(f"no image beside {file}; expected {file.stem} with one of {', '.join(IMAGE_SUFFIXES)}")
    points = read_pts(file)
    if len(points) != IBUG68.n:
        raise DataError(f"{file}: {len(points)} points, expected {IBUG68.n} (300-W)")
    subset = str(file.parent.relative_to(folder)) if file.parent != folder else folder.name
    return Sample(
        image=image,
        box=Box.around(points),
        points=points,
        visible=np.ones(len(points), bool),
        points5=IBUG68.points5_of(points),
        split="test" if "test" in file.parent.name.lower() else "train",
        subset=subset,
        subject=str(image.relative_to(folder)),
        source=folder.name,
    )


def read_pts(path: Path) -> NDArray[np.float32]:
    """Read a ``.pts`` file, with or without its header; 1-based there, 0-based here.

    Raises:
        DataError: the file holds anything but pairs of finite numbers.

    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        rows = [line for line in lines if line and line not in "{}" and ":" not in line]
        points = np.array([[float(v) for v in row.replace(",", " ").split()] for row in rows], dtype=np.float32)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no .pts file: {error}") from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise DataError(f"{path}: expected lines of two finite numbers, got shape {points.shape}")
    return points - np.float32(1)
