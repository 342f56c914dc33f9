"""What opens and closes in a face: how far lids and lips are apart, as rows that map a schema's points to it."""

from __future__ import annotations

import numpy as np
from facewire_edge.openness import LEFT_EYE, MOUTH, RIGHT_EYE
from facewire_edge.schema import IBUG68, LandmarkSchema, linear_map
from numpy.typing import NDArray

EYES = (*RIGHT_EYE[1:], *LEFT_EYE[1:])  # (upper, lower) of ibug68
PAIRS = np.array((*EYES, *MOUTH[1:]))
BOUNDS = (0.5, 6.0)  # of what counts as usual and as rare


def opening_maps(schema: LandmarkSchema) -> NDArray[np.float32]:
    """Give the map (2, P, N) from a schema's points to the ways from lower to upper lid or lip; P = 0 where it has
    neither.
    """  # noqa: D205
    mapping = linear_map(schema, IBUG68)
    if mapping is None:
        return np.zeros((2, 0, schema.n), np.float32)
    return np.asarray(mapping[:, PAIRS[:, 0]] - mapping[:, PAIRS[:, 1]], dtype=np.float32)


def rarity(points: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Say of each face how rare its lids or lips are: the further from the median of all, the more.

    Args:
        points: (F, N, 2) crop units, NaN where not labelled.
        maps: of :func:`opening_maps`.

    Returns:
        (F,) within ``BOUNDS``, against 1 for the usual face; 1 for one whose labels do not say.

    """
    result = np.ones(len(points))
    used = np.abs(maps).any(axis=(0, 1))
    told = np.isfinite(points[:, used]).all(axis=(1, 2))
    if used.any() and told.any():
        heights = np.linalg.norm(np.einsum("dpn,fnd->fpd", maps[:, :, used], points[told][:, used]), axis=-1)
        away = np.abs(heights - np.median(heights, axis=0))
        away /= np.maximum(np.median(away, axis=0), 1e-6)
        eyes, mouth = away[:, : len(EYES)].mean(axis=1), away[:, len(EYES) :].mean(axis=1)
        farther = np.maximum(eyes, mouth)
        result[told] = np.clip(farther / max(float(np.median(farther)), 1e-6), *BOUNDS)
    return result
