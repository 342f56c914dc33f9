"""A parametric head in three dimensions: 68 landmarks and a skull, with identity, expression and pose."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from facewire_edge.schema import IBUG68
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Mean shape of ibug68's 2,236 faces, mirror-symmetric; half the width of the jaw is 1, y down. Right half and middle.
_MEAN = {
    **dict(enumerate([(-1, -0.619), (-0.992, -0.357), (-0.963, -0.094), (-0.908, 0.163), (-0.806, 0.402)])),
    5: (-0.649, 0.611), 6: (-0.457, 0.786), 7: (-0.243, 0.926), 8: (0, 0.966),
    17: (-0.805, -0.829), 18: (-0.682, -0.935), 19: (-0.512, -0.966), 20: (-0.336, -0.942), 21: (-0.168, -0.877),
    27: (0, -0.666), 28: (0, -0.494), 29: (0, -0.324), 30: (0, -0.149), 31: (-0.199, -0.032), 32: (-0.103, 0.003),
    33: (0, 0.034), 36: (-0.607, -0.641), 37: (-0.501, -0.704), 38: (-0.37, -0.702), 39: (-0.261, -0.618),
    40: (-0.381, -0.593), 41: (-0.508, -0.595), 48: (-0.385, 0.293), 49: (-0.244, 0.233), 50: (-0.1, 0.203),
    51: (0, 0.227), 57: (0, 0.5), 58: (-0.109, 0.489), 59: (-0.25, 0.429), 60: (-0.326, 0.3), 61: (-0.101, 0.289),
    62: (0, 0.299), 66: (0, 0.372), 67: (-0.103, 0.36),
}  # fmt: skip
# Depth beyond the ellipsoid of the head: the nose stands out, the sockets lie back; by eye, from profile photographs.
_RAISED = {
    27: 0.06, 28: 0.16, 29: 0.28, 30: 0.4, 31: 0.12, 32: 0.2, 33: 0.24,
    36: -0.12, 37: -0.06, 38: -0.05, 39: -0.1, 40: -0.06, 41: -0.07,
    48: 0.0, 49: 0.06, 50: 0.1, 51: 0.1, 57: 0.1, 58: 0.09, 59: 0.05, 60: 0.0, 61: 0.05, 62: 0.06, 66: 0.06, 67: 0.05,
    7: 0.05, 8: 0.08,
}  # fmt: skip
HALF_WIDTH, HALF_DEPTH = 1.12, 1.1  # of the head's ellipsoid at the height of the eyes
CAMERA_DISTANCE = (6.0, 14.0)  # half jaw widths: 0.45 m to 1 m
SKULL_TOP, SKULL_HALF_WIDTH = -1.75, 1.1  # of the outline above the ears
UPPER_LIDS, LOWER_LIDS = ((37, 41), (38, 40), (43, 47), (44, 46)), (41, 40, 47, 46)
LOWER_LIP = (55, 56, 57, 58, 59, 65, 66, 67)
JAW = tuple(range(3, 14))


@dataclass(frozen=True, slots=True)
class Expression:
    """Move the face: 0 is at rest, 1 is all the way."""

    open_mouth: float = 0.0
    smile: float = 0.0
    brows: float = 0.0
    close_eyes: float = 0.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Place the head in the picture."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    x: float  # pixels, of the middle between the ears
    y: float
    scale: float  # pixels of half the jaw's width
    distance: float = 9.0


def _depth(points: Array) -> Array:
    inside = np.clip(
        1 - (points[:, 0] / HALF_WIDTH) ** 2 - (np.maximum(0, np.abs(points[:, 1]) - 0.3) / 2.2) ** 2, 0, 1
    )
    return (HALF_DEPTH * np.sqrt(inside)).astype(np.float32)


def _mean_head() -> Array:
    mean = np.zeros((68, 3), np.float32)
    for index, place in _MEAN.items():
        mean[index, :2] = place
        mean[IBUG68.mirror[index], :2] = (-place[0], place[1])
    mean[:, 2] = _depth(mean[:, :2])
    for index, raised in _RAISED.items():
        for i in {index, int(IBUG68.mirror[index])}:
            mean[i, 2] += raised
    return mean


MEAN_HEAD = _mean_head()


def identity(rng: np.random.Generator) -> Array:
    """Give the 68 points (68, 3) of a person at rest: parts moved and stretched about the mean."""
    head = MEAN_HEAD * np.array([rng.normal(1, 0.04), rng.normal(1, 0.06), rng.normal(1, 0.06)], np.float32)
    parts = ((range(17, 27), 0.05), (range(27, 36), 0.05), (range(36, 48), 0.03), (range(48, 68), 0.05))
    for indices, spread in parts:
        part = head[list(indices)]
        middle = part.mean(axis=0)
        stretch = np.array([rng.normal(1, 0.07), rng.normal(1, 0.1), 1], np.float32)
        head[list(indices)] = middle + (part - middle) * stretch + np.array([0, rng.normal(0, spread), 0], np.float32)
    head[:17, 0] *= (1 + rng.normal(0, 0.05) * (head[:17, 1] + 0.6)).astype(np.float32)  # a narrow or a broad chin
    return (head + rng.normal(0, 0.006, head.shape)).astype(np.float32)


def express(head: Array, expression: Expression) -> Array:
    """Give the points (68, 3) of a face that moves."""
    moved = head.copy()
    drop = 0.42 * expression.open_mouth
    moved[list(LOWER_LIP), 1] += drop
    moved[list(JAW), 1] += drop * 0.55 * (1 - np.abs(head[list(JAW), 0]))
    for corner, side in ((48, -1), (60, -1), (54, 1), (64, 1)):
        moved[corner] += np.array([side * 0.1, -0.09, -0.04], np.float32) * expression.smile
        moved[corner, 1] += drop * 0.4
    moved[17:27, 1] -= 0.13 * expression.brows
    for upper, lower in UPPER_LIDS:
        moved[upper] += (moved[lower] - moved[upper]) * np.float32(0.92 * expression.close_eyes)
    return moved


def skull(head: Array) -> Array:
    """Give the outline (K, 3) of the head above the ears, from the subject's right to the left."""
    angles = np.linspace(np.pi, 0, 17)
    level = float(head[[0, 16], 1].mean())
    x = SKULL_HALF_WIDTH * np.cos(angles) * np.abs(head[[0, 16], 0]).mean()
    y = level + (SKULL_TOP - level) * np.sin(angles)
    return np.stack([x, y, np.full_like(x, 0.05)], axis=1).astype(np.float32)


def project(points: Array, pose: Pose) -> Array:
    """Give the picture's pixels (K, 2) of points (K, 3), in perspective."""
    y, p, r = radians(pose.yaw_deg), radians(-pose.pitch_deg), radians(pose.roll_deg)
    about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    about_x = np.array([[1, 0, 0], [0, cos(p), sin(p)], [0, -sin(p), cos(p)]])
    about_z = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
    turned = points @ (about_z @ about_x @ about_y).T
    near = pose.distance / (pose.distance - turned[:, 2:])
    return np.asarray(turned[:, :2] * near * pose.scale + (pose.x, pose.y), dtype=np.float32)


def hidden_by_head(head: Array, pose: Pose) -> NDArray[np.bool_]:
    """Give the points (68,) that lie on the far side: their side of the head turns away by more than 75 degrees."""
    outward = np.stack([head[:, 0] / HALF_WIDTH, np.maximum(head[:, 2], 0) / HALF_DEPTH], axis=1)
    turn = radians(pose.yaw_deg)
    facing = -sin(turn) * outward[:, 0] + cos(turn) * outward[:, 1]
    return np.asarray(facing < 0.0, dtype=np.bool_)
