"""Read what somebody else's model said of the same faces, from a small JSON file.

``{"name": "...", "schema": "ibug68", "bytes": 3700000, "ms": 1.1, "faces": {"img/1.jpg": [[[x, y], ...], ...]}}``:
for each image, by its path below the set's folder or by its name, the faces that were found, in pixels of the image.
``bytes`` and ``ms`` (a face) are optional. Images that are not named count as missed; of a face, points that are
``null`` do not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from facewire_edge.errors import DataError, FacewireError
from facewire_edge.geometry import Box
from facewire_edge.schema import LandmarkSchema, find_schema, linear_map
from numpy.typing import NDArray

from facewire_train.labels import Sample, labelled_points, point_array
from facewire_train.values import parse_json

MATCH_IOU = 0.3  # of the tight boxes; a face that overlaps the true one by less is another


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """Hold a foreign model's answers."""

    name: str
    schema: LandmarkSchema
    faces: dict[str, list[NDArray[np.float32]]]  # image -> (N, 2) each
    size: int | None  # bytes
    ms: float | None  # a face


def read_peer(path: Path) -> Peer:
    """Read a file of predictions.

    Raises:
        DataError: it is missing or is no such file; the message names the image.

    """
    try:
        values = parse_json(path.read_text(), str(path))
        schema = find_schema(_text(values["schema"]))
        faces = {
            _tidy(str(image)): [point_array(face, schema.n, f"{path}: {image}") for face in found]
            for image, found in values["faces"].items()
        }
        return Peer(_text(values["name"]), schema, faces, _number(values, "bytes", int), _number(values, "ms", float))
    except OSError as error:
        raise DataError(f"cannot read predictions {path}: {error.strerror}") from error
    except DataError:
        raise
    except (FacewireError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        what = f"{path} is no file of predictions ({_reason_of(error)})"
        raise DataError(f"{what}; expected name, schema and faces") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _reason_of(error: Exception) -> str:
    """Say in words why a file cannot be meant: a missing key's error is nothing but its name."""
    if isinstance(error, FacewireError):
        return str(error)
    return f"key {error} is missing" if isinstance(error, KeyError) else "a value is of another kind"


def points_of_peer(peer: Peer, samples: Sequence[Sample], schema: LandmarkSchema) -> NDArray[np.float32]:
    """Give what the peer said of each sample (S, N, 2), NaN where it missed the face.

    Raises:
        DataError: its schema cannot be mapped to the samples', or it names none of their images.

    """
    matrix = linear_map(peer.schema, schema)
    if matrix is None:
        raise DataError(f"{peer.name} has schema {peer.schema.name}, the faces have {schema.name}; give it that one")
    named = [_answers(peer, sample) for sample in samples]
    if all(answers is None for answers in named):
        raise DataError(f"{peer.name} names none of the {len(samples)} images; name them by their path below the set")
    points = np.full((len(samples), schema.n, 2), np.nan, np.float32)
    for i, (sample, answers) in enumerate(zip(samples, named, strict=True)):
        mapped = [_mapped(face, matrix) for face in answers or ()]
        best = max(mapped, key=lambda face: _overlap(face, sample), default=None)
        if best is not None and _overlap(best, sample) >= MATCH_IOU:
            points[i] = best
    return points


def _number(values: dict[str, Any], key: str, kind: type[Any]) -> Any:
    value = values.get(key)
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(key)
    return kind(value)


def _tidy(image: str) -> str:
    """Give an image's path as it is looked up, whichever way its slashes lean and however often they are doubled."""
    return str(PurePosixPath(image.replace("\\", "/")))


def _answers(peer: Peer, sample: Sample) -> list[NDArray[np.float32]] | None:
    parts = sample.image.parts
    keys = (str(PurePosixPath(*parts[i:])) for i in range(len(parts)))
    return next((peer.faces[key] for key in keys if key in peer.faces), None)


def _mapped(face: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map a face's points (M, 2) to another schema's (N, 2), NaN where one that they rest on is."""
    mapped = np.asarray(np.einsum("dmn,nd->md", matrix, np.nan_to_num(face)), dtype=np.float32)
    mapped[np.einsum("dmn,n->m", np.abs(matrix), ~labelled_points(face)) > 0] = np.nan
    return mapped


def _overlap(face: NDArray[np.float32], sample: Sample) -> float:
    """Compare the boxes of the points that both know."""
    known = labelled_points(sample.points) & labelled_points(face)
    return Box.around(face[known]).iou(Box.around(sample.points[known])) if known.any() else 0.0
