"""A parametric head in three dimensions: identity, expression, pose, and a surface through its 68 landmarks.

Units: half the width of the jaw is 1; x to the image's right, y down, z to the camera, origin between the eyes and
the nose. The surface is a grid of directions about ``CENTRE``, bent by a thin-plate spline, so that it is linear in
its control points: ``surface = base + weights.T @ (controls - base_controls)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, radians, sin
from typing import NamedTuple

import numpy as np
from facewire_edge.schema import IBUG68
from numpy.typing import NDArray

from facewire_train import shape_figures

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]

CENTRE = np.array([0, 0.1, -1.1])  # of the skull: ears are level with it
RADII_UP, RADII_DOWN = np.array([1.1, 2.05, 1.3]), np.array([1.1, 1.25, 1.3])  # of the base ellipsoid
# Degrees from the front, and up from the level of the nose: fine on the face, coarse behind it.
LONGITUDES = np.concatenate(
    [np.arange(-180, -90, 10), np.arange(-90, -50, 5), np.linspace(-50, 50, 41), np.arange(55, 90, 5),
     np.arange(90, 181, 10)]
)  # fmt: skip
LATITUDES = np.concatenate([np.arange(90, 42, -6), np.linspace(42, -54, 41), np.arange(-58, -90, -8)])
JAW_SAMPLES = 8  # places on the surface before each jaw point where the face's outline may run
JAW_REACH = 0.35  # share of the longitude that the far jaw line can move towards the middle
CHIN = 8  # the jaw's middle point
JAW_END = 6  # points 7, 8, 9 are the chin: they stay
ON_MIDDLE = 0.01  # a place nearer to the middle than this has no mirror image
MODE_LIMIT = 2.3  # standard deviations: the 1 % and 99 % points of real faces
CAMERA_DISTANCE = (6.0, 16.0)  # half jaw widths: 0.4 m to 1.1 m
UPPER_LIDS = {37: 41, 38: 40, 43: 47, 44: 46}  # each above its partner
INNER_LIPS = {61: 67, 62: 66, 63: 65}
JAW = tuple(range(2, 15))
LOWER_LIP = (55, 56, 57, 58, 59, 65, 66, 67)

# Places that are no landmarks but shape the face: weights of landmarks, then an offset. One side; mirrored if x != 0.
# By eye, from profile photographs and anatomy drawings.
ON_FACE: tuple[tuple[dict[int, float], tuple[float, float, float]], ...] = (
    ({41: 0.5, 48: 0.5}, (-0.08, -0.05, 0.15)),  # cheek
    ({36: 0.5, 3: 0.5}, (-0.04, 0, 0.32)),  # cheek bone
    ({48: 0.5, 4: 0.5}, (-0.03, 0, 0.26)),
    ({28: 1}, (-0.17, 0.0, -0.24)),  # beside the nose
    ({29: 1}, (-0.2, 0.02, -0.3)),
    ({29: 1}, (-0.09, 0.02, -0.09)),
    ({31: 1}, (0.01, -0.1, 0.03)),  # wing
    ({31: 1}, (-0.12, 0.0, -0.12)),
    ({30: 1}, (-0.1, 0.0, -0.08)),  # tip
    ({30: 1}, (0, 0.09, -0.05)),
    ({36: 0.25, 37: 0.125, 38: 0.125, 39: 0.25, 40: 0.125, 41: 0.125}, (0, 0, 0.05)),  # eyeball
    ({19: 0.5, 37: 0.25, 38: 0.25}, (0, 0.02, 0.02)),  # fold of the lid
    ({39: 0.5, 21: 0.5}, (-0.01, 0, -0.08)),  # inner corner of the socket
    ({40: 0.5, 41: 0.5}, (0, 0.13, 0.02)),
    ({21: 0.5, 22: 0.5}, (0, -0.02, 0.02)),  # between the brows
    ({31: 0.5, 48: 0.5}, (-0.03, 0, 0.05)),  # fold from nose to mouth
    ({33: 0.5, 51: 0.5}, (0, 0, -0.03)),  # philtrum
    ({50: 0.5, 61: 0.5}, (0, 0, 0.04)),
    ({58: 0.5, 67: 0.5}, (0, 0, 0.06)),
    ({57: 0.5, 66: 0.5}, (0, 0, 0.06)),
    ({62: 0.5, 66: 0.5}, (0, 0, -0.03)),  # between the lips
    ({57: 1}, (0, 0.13, -0.04)),  # crease under the lip
    ({57: 0.4, 8: 0.6}, (0, 0, 0.17)),  # chin
    ({58: 0.4, 7: 0.6}, (-0.04, 0, 0.11)),
    ({5: 0.6, 48: 0.4}, (0, 0, 0.22)),
)
# Places of the skull, the neck's side and the back, one side.
ON_SKULL = (
    (0, -1.98, -1.2), (0, -1.2, 0.07), (-0.5, -1.15, -0.06), (-0.86, -0.95, -0.46), (-1.0, -0.7, -0.8),
    (0, -1.62, -0.35), (-0.6, -1.55, -0.5), (-1.07, -0.35, -1.5), (-1.1, -0.8, -1.4), (-0.98, -1.35, -1.2),
    (0, -0.6, -2.45), (-0.8, -0.6, -2.1), (0, -1.5, -2.1), (0, 0.5, -1.95), (-0.75, 0.4, -1.75),
    (0, 1.12, -0.6), (-0.42, 1.02, -0.7), (-0.68, 0.72, -1.35), (0, 1.0, -1.3), (-0.93, 0.15, -1.6),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expression:
    """Move the face: 0 is at rest, 1 is all the way."""

    open_mouth: float = 0.0
    smile: float = 0.0
    brows: float = 0.0
    close_eyes: float = 0.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Place the head in the picture; angles as in the message: to the image's right, up, clockwise."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    x: float  # pixels, of the head's origin
    y: float
    scale: float  # pixels of half the jaw's width
    distance: float = 9.0  # of the camera, half jaw widths


class Surface(NamedTuple):
    """Hold what makes a surface of control points: linear weights."""

    base: Array  # (V, 3)
    weights: Array  # (K, V)
    base_controls: Array  # (K, 3)

    def through(self, controls: Array) -> Array:
        """Give the places (V, 3) when the control points lie at ``controls`` (K, 3)."""
        moved = np.einsum("kv,kd->dv", self.weights, controls - self.base_controls)  # BLAS would start its threads
        return np.asarray(self.base + moved.T, dtype=np.float32)


def _from_half(values: Doubles, sign: Doubles) -> Array:
    whole = np.zeros((68, values.shape[1]), np.float32)
    for index, value in zip(shape_figures.HALF, values, strict=True):
        whole[IBUG68.mirror[index]] = value * sign
        whole[index] = value
    return whole


@cache
def mean_head() -> Array:
    """Give the mean landmarks (68, 3); not to be written to."""
    return _from_half(np.reshape(shape_figures.MEAN, (-1, 3)) / 1000.0, np.array([-1.0, 1, 1]))


@cache
def modes() -> Array:
    """Give how faces differ: (M, 68, 2), each one standard deviation; not to be written to."""
    return np.stack([_from_half(np.reshape(m, (-1, 2)) / 1000.0, np.array([-1.0, 1])) for m in shape_figures.MODES])


def identity(rng: np.random.Generator) -> Array:
    """Give the landmarks (68, 3) of a person."""
    strengths = np.clip(rng.normal(0, 1, len(modes())), -MODE_LIMIT, MODE_LIMIT)
    head = mean_head() * np.array([1, 1, np.clip(rng.normal(1, 0.08), 0.8, 1.2)], np.float32)
    head[:, :2] += np.einsum("m,mnd->nd", strengths, modes())
    head[27:36, 2] += np.float32(rng.normal(0, 0.04)) * np.array(
        [0.2, 0.5, 0.8, 1, 0.3, 0.5, 0.6, 0.5, 0.3], np.float32
    )
    head[5:12, 2] += np.float32(rng.normal(0, 0.04))
    head += (rng.normal(0, 0.006, (68, 3))).astype(np.float32)
    return _in_order(head)


def _in_order(head: Array) -> Array:
    """Keep upper lids and lips above the lower ones."""
    for upper, lower in (*UPPER_LIDS.items(), *INNER_LIPS.items()):
        head[lower, 1] = max(head[lower, 1], head[upper, 1] + 0.004)
    return head


def express(head: Array, expression: Expression) -> Array:
    """Give the landmarks (68, 3) of a face that moves."""
    moved = head.copy()
    drop = 0.36 * expression.open_mouth
    share = 1 - 0.75 * np.abs(head[list(JAW), 0])
    moved[list(LOWER_LIP), 1] += drop
    moved[list(LOWER_LIP), 2] -= 0.3 * drop
    moved[list(JAW), 1] += np.float32(0.85 * drop) * np.maximum(share, 0)
    moved[list(JAW), 2] -= np.float32(0.3 * drop) * np.maximum(share, 0)
    for corner, side in ((48, -1), (60, -1), (54, 1), (64, 1)):
        moved[corner] += np.array([side * 0.1, -0.09, -0.05], np.float32) * np.float32(expression.smile)
        moved[corner] += np.array([-side * 0.1, 0.35, 0], np.float32) * np.float32(drop)
    moved[17:27, 1] -= np.float32(0.09 * expression.brows)
    for upper, lower in UPPER_LIDS.items():
        moved[upper] += (moved[lower] - moved[upper]) * np.float32(0.94 * expression.close_eyes)
    return _in_order(moved)


def controls(head: Array) -> Array:
    """Give all control points (K, 3) of the surface: landmarks, places on the face, the skull."""
    weights, offsets, skull = _control_figures()
    width = np.abs(head[[0, 16], 0]).mean()
    return np.concatenate([head, weights @ head + offsets, skull * np.array([width, 1, 1], np.float32)])


@cache
def _control_figures() -> tuple[Array, Array, Array]:
    """Give weights (F, 68) and offsets (F, 3) of the places on the face, both sides, then the skull (S, 3)."""
    rows, offsets = [], []
    for weights, offset in ON_FACE:
        row = np.zeros(68, np.float32)
        row[list(weights)] = list(weights.values())
        rows.append(row)
        offsets.append(offset)
        if abs(float(row @ mean_head()[:, 0]) + offset[0]) > ON_MIDDLE:
            rows.append(row[IBUG68.mirror])
            offsets.append((-offset[0], offset[1], offset[2]))
    skull = [(side * x, y, z) for x, y, z in ON_SKULL for side in ((1, -1) if x else (1,))]
    return np.array(rows), np.array(offsets, np.float32), np.array(skull, np.float32)


def _directions(places: Doubles) -> Doubles:
    away = places - CENTRE
    return np.asarray(away / np.linalg.norm(away, axis=-1, keepdims=True))


def _base(directions: Doubles) -> Doubles:
    radii = np.where(directions[:, 1:2] < 0, RADII_UP, RADII_DOWN)
    return np.asarray(CENTRE + directions / np.linalg.norm(directions / radii, axis=1, keepdims=True))


def _kernel(a: Doubles, b: Doubles) -> Doubles:
    """Give the thin-plate kernel r^2 log r of all pairs. Source: Bookstein 1989, "Principal warps"."""
    squared = np.maximum(((a[:, None] - b[None]) ** 2).sum(axis=2), 1e-12)
    return np.asarray(squared * np.log(squared))


def surface_at(directions: Doubles) -> Surface:
    """Give the surface at directions (V, 3) as linear in the control points."""
    centres = _directions(controls(mean_head()).astype(np.float64))
    n = len(centres)
    system = np.zeros((n + 4, n + 4))
    system[:n, :n] = _kernel(centres, centres)
    system[:n, n:] = np.column_stack([np.ones(n), centres])
    system[n:, :n] = system[:n, n:].T
    rows = np.column_stack([_kernel(directions, centres), np.ones(len(directions)), directions])
    weights = np.linalg.solve(system, rows.T)[:n]
    return Surface(*(np.ascontiguousarray(a, np.float32) for a in (_base(directions), weights, _base(centres))))


@cache
def grid() -> Surface:
    """Give the head's grid, rows of ``LATITUDES`` by columns of ``LONGITUDES``, flattened."""
    latitude, longitude = (np.radians(a) for a in np.meshgrid(LATITUDES, LONGITUDES, indexing="ij"))
    flat = np.stack([np.cos(latitude) * np.sin(longitude), -np.sin(latitude), np.cos(latitude) * np.cos(longitude)], -1)
    return surface_at(flat.reshape(-1, 3))


@cache
def jaw_lines() -> Surface:
    """Give places (17 * JAW_SAMPLES) that each jaw point may slide to; the first of each is the point itself."""
    start = _directions(mean_head()[:17].astype(np.float64))
    longitude, level = np.arctan2(start[:, 0], start[:, 2]), start[:, 1]
    reach = np.where(np.abs(np.arange(17) - 8) <= 8 - JAW_END - 1, 0.0, 1 - JAW_REACH)
    angle = longitude[:, None] * (1 - reach[:, None] * np.linspace(0, 1, JAW_SAMPLES))
    radius = np.sqrt(1 - level**2)[:, None]
    lines = np.stack([radius * np.sin(angle), np.broadcast_to(level[:, None], angle.shape), radius * np.cos(angle)], -1)
    return surface_at(lines.reshape(-1, 3))


@cache
def landmark_places() -> Array:
    """Give the landmarks' places (68, 2) on the grid: column, row; where a texture is painted, they always lie."""
    away = _directions(mean_head().astype(np.float64))
    longitude = np.degrees(np.arctan2(away[:, 0], away[:, 2]))
    latitude = np.degrees(np.arcsin(-away[:, 1]))
    return np.column_stack([column_of(longitude), row_of(latitude)]).astype(np.float32)


def column_of(longitude: Doubles) -> Doubles:
    """Give the grid's column, with a fraction, of degrees from the front."""
    return np.asarray(np.interp(longitude, LONGITUDES, np.arange(len(LONGITUDES))))


def row_of(latitude: Doubles) -> Doubles:
    """Give the grid's row, with a fraction, of degrees above the nose."""
    return np.asarray(np.interp(-latitude, -LATITUDES, np.arange(len(LATITUDES))))


def rotation(pose: Pose) -> Doubles:
    """Give the matrix (3, 3) that turns the head: yaw first, then pitch, then roll."""
    y, p, r = radians(pose.yaw_deg), radians(-pose.pitch_deg), radians(pose.roll_deg)
    about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    about_x = np.array([[1, 0, 0], [0, cos(p), sin(p)], [0, -sin(p), cos(p)]])
    about_z = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)


def project(turned: Array, pose: Pose) -> Array:
    """Give the pixels (K, 2) of turned places (K, 3), in perspective."""
    near = pose.distance / (pose.distance - turned[:, 2:])
    return (turned[:, :2] * near * pose.scale + (pose.x, pose.y)).astype(np.float32)


def outline_jaw(points: Array, lines: Array, pose: Pose) -> Array:
    """Slide the jaw points that the head hides to its outline, then space each side evenly, as 300-W's annotators do.

    Along the jaw's line from ear to chin, the means of ibug68's points lie within 0.02 of the eighths, up to 45 degrees
    of yaw and on both sides.

    Args:
        points: landmarks (68, 2) in pixels.
        lines: pixels (17 * JAW_SAMPLES, 2) of :func:`jaw_lines`.
        pose: gives the direction of the face's own right.

    """
    turn = radians(pose.roll_deg)
    candidates = lines.reshape(17, JAW_SAMPLES, 2)
    across = candidates @ np.array([cos(turn), sin(turn)], np.float32)
    side = np.sign(np.arange(17) - 8)[:, None]
    best = np.argmax(across * side, axis=1)
    moved = points.copy()
    moved[:17] = candidates[np.arange(17), best]
    moved[:17][best == 0] = points[:17][best == 0]
    moved[: CHIN + 1] = _spaced(moved[: CHIN + 1])
    moved[CHIN:17] = _spaced(moved[CHIN:17])
    return moved


def _spaced(line: Array) -> Array:
    """Give as many points, the ends where they are, at equal distances along a line."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    even = np.linspace(0, along[-1], len(line))
    return np.column_stack([np.interp(even, along, line[:, k]) for k in (0, 1)]).astype(np.float32)
