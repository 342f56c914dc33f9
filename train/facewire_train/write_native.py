"""Write samples in the native format: header, schema and one JSON line an image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.schema import SCHEMAS, LandmarkSchema
from numpy.typing import NDArray

from facewire_train.image_facts import ImageFacts
from facewire_train.labels import HEADER_FILE, LABEL_FILE, Pictured, Sample, follows, labelled_points

DECIMALS = 3  # of a pixel


def write_header(folder: Path, name: str, schema: LandmarkSchema, about: str, terms: str) -> None:
    """Write ``dataset.toml``, and beside it a schema that is not built in."""
    built_in = schema.name in SCHEMAS and SCHEMAS[schema.name].names == schema.names
    where = schema.name if built_in else "schema.toml"
    values = {"name": name, "schema": where, "about": about, "terms": terms}
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
    (folder / HEADER_FILE).write_text(f"format = 1\n{text}", encoding="utf-8")
    if not built_in:
        (folder / where).write_text(schema_toml(schema), encoding="utf-8")


def schema_toml(schema: LandmarkSchema) -> str:
    """Give a schema as the TOML that :func:`facewire_edge.schema.load_schema` reads."""
    values = {key: value for key, value in schema.to_dict().items() if value is not None}
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def write_lines(folder: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write ``faces.jsonl``."""
    with (folder / LABEL_FILE).open("w") as file:
        for entry in entries:
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")


def image_entry(
    name: str, facts: ImageFacts, pictured: Pictured, faces: Sequence[Sample], schema: LandmarkSchema
) -> dict[str, Any]:
    """Give the line of one image, a background or one with these faces; ``name`` is relative to the set's folder."""
    return {
        "image": name,
        "width": facts.width,
        "height": facts.height,
        "split": pictured.split,
        "subset": pictured.subset,
        "complete": all(face.complete for face in faces),
        "faces": [face_entry(face, name, schema) for face in faces],
    }


def face_entry(sample: Sample, image: str, schema: LandmarkSchema) -> dict[str, Any]:
    """Give the labels of a face of ``image``; what a reader would put there by itself is left out."""
    known = labelled_points(sample.points)
    box = (sample.box.x0, sample.box.y0, sample.box.x1, sample.box.y1)
    entry: dict[str, Any] = {"box": [round(v, DECIMALS) for v in box]}
    if known.any():
        entry["points"] = _rounded(sample.points)
    letters = sample.visibility or "".join("v" if v else "o" for v in sample.visible | ~known)
    if set(letters) - {"v"}:
        entry["visibility"] = letters
    five = sample.points5
    if five is not None and np.isfinite(five).any() and not follows(five, sample.points, schema):
        entry["points5"] = _rounded(five)
    if sample.subject != image:  # who is held back goes by it
        entry["person"] = sample.subject
    if sample.ignore:
        entry["ignore"] = True
    if sample.attributes:
        entry["attributes"] = dict(sample.attributes)
    if sample.filled:
        entry["filled"] = {str(index): round(weight, DECIMALS) for index, weight in sample.filled.items()}
    return entry


def _rounded(points: NDArray[np.float32]) -> list[list[float] | None]:
    rows = np.round(points.astype(np.float64), DECIMALS).tolist()
    return [row if ok else None for row, ok in zip(rows, labelled_points(points), strict=True)]


def _toml(value: Any) -> str:
    """Give a value as TOML: JSON, but for inline tables; a folder's name that is no UTF-8 gets question marks."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return text.encode(errors="replace").decode()
