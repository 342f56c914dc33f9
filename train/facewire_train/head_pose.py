"""Estimate how heads are turned, from their labelled points alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from facewire_edge.schema import IBUG68, LandmarkSchema, linear_map
from numpy.typing import NDArray

from facewire_train.head import mean_head
from facewire_train.labels import Sample, labelled_points

JAW = slice(0, 17)  # its points slide along the outline of a turned head
FEWEST = 4  # points that a turn can be told from


def head_poses(samples: Sequence[Sample], schema: LandmarkSchema) -> NDArray[np.float64]:
    """Give yaw, pitch and roll (S, 3) in degrees, as the message has them; NaN where too little is labelled."""
    if not samples:
        return np.zeros((0, 3))
    return np.stack([_pose_of(sample, schema) for sample in samples])


def _pose_of(sample: Sample, schema: LandmarkSchema) -> NDArray[np.float64]:
    whole = linear_map(schema, IBUG68)
    if whole is not None:
        points = np.einsum("dmn,nd->md", whole, sample.points)
        places = mean_head().astype(np.float64)
        inner = np.ones(IBUG68.n, bool)
        inner[JAW] = False
        pose = pose_of_points(points[inner], places[inner])
        if np.isfinite(pose).all():
            return pose
    if sample.points5 is None:
        return np.full(3, np.nan)
    five = np.stack([mean_head()[list(indices)].mean(axis=0) for indices in IBUG68.points5 or ()])
    return pose_of_points(sample.points5, five.astype(np.float64))


def pose_of_points(points: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give yaw, pitch and roll (3,) of a head whose points (K, 2) lie at ``places`` (K, 3) when it looks ahead.

    The nearest scaled orthographic view: the affine one by least squares, then its rotation.

    Source: Huttenlocher and Ullman 1990, "Recognizing solid objects by alignment".
    """
    known = labelled_points(points)
    if known.sum() < FEWEST:
        return np.full(3, np.nan)
    seen, solid = points[known].astype(np.float64), places[known]
    view = np.linalg.lstsq(solid - solid.mean(axis=0), seen - seen.mean(axis=0), rcond=None)[0].T  # (2, 3)
    left, _, right = np.linalg.svd(view, full_matrices=False)
    x, y = left @ right
    z = np.cross(x, y)
    yaw, pitch, roll = np.arctan2(-z[0], z[2]), np.arcsin(np.clip(z[1], -1, 1)), np.arctan2(-x[1], y[1])
    return np.asarray(np.degrees([yaw, pitch, roll]))
