"""Which way a head looks, from its landmarks: a rigid mean head fitted under weak perspective.

No camera needs to be calibrated for it, and the angles are those that a viewer sees, wherever in the picture the face
is. solvePnP, which must assume a lens, was twice as far off on 300 rendered heads with 3 % noise: 5.7, 3.8, 1.2 degrees
of yaw, pitch and roll against 2.4, 2.5, 0.7 (2026-11-21).
"""

from __future__ import annotations

from math import asin, atan2, degrees

import numpy as np
from numpy.typing import NDArray

from facewire_edge.schema import LandmarkSchema, map_to_ibug68
from facewire_edge.types import Points, Pose

Doubles = NDArray[np.float64]

# Points of ibug68 that an expression moves little: x to the image's right, y down, z to the camera, in thousandths of
# half the jaw's width. From the mean head of facewire_train/head.py, which the figures of real faces shaped.
HEAD = {
    17: (-813, -572, -294), 21: (-169, -630, 142), 22: (169, -630, 142), 26: (813, -572, -294),
    27: (0, -427, 133), 28: (0, -255, 233), 29: (0, -84, 344), 30: (0, 92, 452),
    31: (-198, 198, 156), 33: (0, 261, 237), 35: (198, 198, 156),
    36: (-609, -399, -203), 39: (-264, -374, -118), 42: (264, -374, -118), 45: (609, -399, -203),
    48: (-385, 510, -203), 54: (385, 510, -203),
}  # fmt: skip
STEPS = 2  # of Gauss and Newton; more change no angle by 0.05 degrees


class HeadPose:
    """Fit the mean head to landmarks of one schema."""

    def __init__(self, schema: LandmarkSchema) -> None:
        """Prepare the fit.

        Raises:
            UsageError: the schema's points cannot be mapped to ibug68.

        """
        self._map = map_to_ibug68(schema, "pose")[:, list(HEAD)].astype(np.float64)  # (2, P, N)
        head = np.array(list(HEAD.values())) / 1000
        self._head = head - head.mean(axis=0)  # (P, 3)
        self._inverse = np.linalg.pinv(self._head)  # (3, P)

    def __call__(self, points: Points) -> Pose:
        """Give the pose of landmarks (N, 2) in pixels."""
        seen = np.einsum("dpn,nd->pd", self._map, points)
        return _angles(self._fitted(seen - seen.mean(axis=0)))

    def _fitted(self, seen: Doubles) -> Doubles:
        """Give the rotation (3, 3) that, with a scale, brings the head closest to the centred points (P, 2)."""
        u, scales, v = np.linalg.svd((self._inverse @ seen).T, full_matrices=False)
        rows = u @ v
        rotation, scale = np.vstack([rows, np.cross(rows[0], rows[1])]), scales.mean()
        for _ in range(STEPS):
            x, y, z = (self._head @ rotation.T).T
            zero = np.zeros_like(x)
            # Change of the projected points with a small turn about each axis, and with the scale.
            slopes = np.concatenate([np.stack([zero, z, -y, x], 1), np.stack([-z, zero, x, y], 1)])
            missing = np.concatenate([seen[:, 0] - scale * x, seen[:, 1] - scale * y])
            *turn, growth = np.linalg.solve(slopes.T @ slopes, slopes.T @ missing)
            rotation = _turn(*(angle / scale for angle in turn)) @ rotation
            scale += growth
        return rotation


def _turn(x: float, y: float, z: float) -> Doubles:
    """Give the rotation by a small vector. Source: Cayley's transform."""
    half = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / 2
    return np.asarray(np.linalg.solve(np.eye(3) - half, np.eye(3) + half), dtype=np.float64)


def _angles(rotation: Doubles) -> Pose:
    """Take a rotation apart: the head turns by yaw first, then by pitch, then by roll."""
    yaw = atan2(-rotation[2, 0], rotation[2, 2])
    pitch = asin(min(1.0, max(-1.0, rotation[2, 1])))
    roll = atan2(-rotation[0, 1], rotation[1, 1])
    return Pose(degrees(yaw), degrees(pitch), degrees(roll))
