"""The mean shape: what a landmark network's output is relative to, and what the canonical crop is fitted to."""

import logging
from collections.abc import Sequence

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

log = logging.getLogger(__name__)

ROUNDS = 5  # of generalised Procrustes; the mean moves by less than 1e-4 of the crop after three
# Of the crop: how far making the mean of n faces symmetric may move a point, LOPSIDED + OF_A_FACE / sqrt(n). ibug68,
# aflw, mmlab5 0.002 to 0.005, of 5 to 10 faces up to 0.06; nostrils whose pair was forgotten 0.08, 0.13 (2026-11-22).
LOPSIDED, OF_A_FACE = 0.02, 0.2


def mean_shape(shapes: Sequence[NDArray[np.float32]], schema: LandmarkSchema, margin: float) -> NDArray[np.float32]:
    """Give the upright, mirror-symmetric mean (N, 2) of the shapes in crop units.

    Its tight box times ``margin`` is the unit square, so the canonical crop of an average frontal face is the crop of
    its tight box. Unlabelled (NaN) points are left out.

    Raises:
        DataError: a point is labelled in no shape.

    Source: Gower 1975, "Generalized Procrustes analysis".
    """
    never = ~np.isfinite(np.stack(shapes)).all(axis=2).any(axis=0)
    if never.any():
        name = schema.names[int(np.argmax(never))]
        raise DataError(f"point {name!r} is labelled in no training face; label it or take it out of {schema.name}")
    mean = _normalised(_centre_mean([_scaled(s) for s in shapes]), schema, margin)
    for _ in range(ROUNDS):
        seen = _centre_mean([_aligned(s, mean) for s in shapes])
        mean = _normalised(seen, schema, margin)
    _warn_of_lopsided(seen, len(shapes), schema)
    return mean


def _warn_of_lopsided(seen: NDArray[np.float32], count: int, schema: LandmarkSchema) -> None:
    """Tell of the point of a mean (N, 2) in crop units that lies too far from where its mirror point has it."""
    moved = np.linalg.norm(seen - _symmetric(seen - np.float32(0.5), schema) - np.float32(0.5), axis=1)
    worst = int(np.argmax(moved))
    if moved[worst] > LOPSIDED + OF_A_FACE / np.sqrt(count):
        other = schema.mirror[worst]
        pair = "itself" if other == worst else repr(schema.names[other])
        log.warning(
            "point %r is mirrored to %s in schema %s, but lies %.2f of the crop from there: is its `mirror` right, "
            "and is no label far outside its image?",
            *(schema.names[worst], pair, schema.name, moved[worst]),
        )


def _scaled(shape: NDArray[np.float32]) -> NDArray[np.float32]:
    box = Box.around(shape)
    return ((shape - box.centre) / max(box.width, box.height)).astype(np.float32)


def _aligned(shape: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    return CropTransform.from_landmarks(shape, mean, 1).to_units(shape)


def _centre_mean(shapes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(np.nanmean(np.stack(shapes), axis=0), dtype=np.float32)


def _normalised(mean: NDArray[np.float32], schema: LandmarkSchema, margin: float) -> NDArray[np.float32]:
    """Make the mean symmetric about x = 0.5 and scale its tight box to 1 / margin."""
    mean = _symmetric(mean - np.array(Box.around(mean).centre, np.float32), schema)
    box = Box.around(mean)
    mean = (mean - np.array(box.centre, np.float32)) / np.float32(max(box.width, box.height) * margin)
    return (mean + np.float32(0.5)).astype(np.float32)


def _symmetric(shape: NDArray[np.float32], schema: LandmarkSchema) -> NDArray[np.float32]:
    """Give the mean of a shape (N, 2) and its mirror image about x = 0."""
    return (shape + shape[schema.mirror] * np.array([-1, 1], np.float32)) / np.float32(2)
