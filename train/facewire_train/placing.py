"""Turn a head and place it in a picture, alone or among others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facewire_train.head import CAMERA_DISTANCE, Pose, project, rotation

YAW, PITCH, ROLL = (17.0, 62.0), (8.0, 35.0), (9.0, 45.0)  # degrees: deviation and limit; ibug68 has 15, 9, 8
PROFILES, PROFILE = 0.12, 90.0  # share of heads that turn anywhere up to this yaw: no real set here has full profiles
FACE_SHARE = (0.42, 0.6)  # side of the landmarks' tight box (geometric mean), of the picture's
PLACE, JITTER = (0.5, 0.55), 0.04  # middle of that box, of the picture's side; hair needs room above
SEAT_SHARE = (0.3, 0.68)  # side of the landmarks' tight box, of the seat's
SEAT_PLACE, SEAT_JITTER = 0.45, 0.05  # middle of that box in its seat, of the seat's side


def pose_of(rng: np.random.Generator, head: NDArray[np.float32], size_px: int) -> Pose:
    """Turn a head, then place it so that its landmarks' tight box has a random size near the middle."""
    pose = turn_of(rng)
    side = size_px * float(rng.uniform(*FACE_SHARE))
    return placed(pose, head, side, size_px * rng.normal(PLACE, JITTER))


def turn_of(rng: np.random.Generator) -> Pose:
    """Turn a head; it is not yet placed."""
    yaw = float(rng.uniform(-PROFILE, PROFILE)) if rng.random() < PROFILES else _limited(rng, *YAW)
    angles = yaw, _limited(rng, *PITCH), _limited(rng, *ROLL)
    return Pose(*angles, 0, 0, 1, float(rng.uniform(*CAMERA_DISTANCE)))


def _limited(rng: np.random.Generator, deviation: float, limit: float) -> float:
    return float(np.clip(rng.normal(0, deviation), -limit, limit))


def placed(pose: Pose, head: NDArray[np.float32], side_px: float, middle: NDArray[np.float64]) -> Pose:
    """Scale and move a pose: the landmarks' tight box gets the side (geometric mean) and the middle (2,)."""
    points = project(head @ rotation(pose).T.astype(np.float32), pose)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = side_px / float(np.sqrt((high - low).prod()))
    x, y = middle - (low + high) / 2 * scale
    return replace(pose, x=float(x), y=float(y), scale=scale)


def seats(rng: np.random.Generator, size_px: int, n: int) -> list[tuple[float, NDArray[np.float64]]]:
    """Give sides and middles of ``n`` faces: each in a cell of a square grid of its own, the lower ones last."""
    rows = int(np.ceil(np.sqrt(n)))
    cell = size_px / rows
    cells = np.sort(rng.choice(rows * rows, n, replace=False))
    places = np.stack([cells % rows, cells // rows], axis=1) + rng.normal(SEAT_PLACE, SEAT_JITTER, (n, 2))
    return [(cell * float(rng.uniform(*SEAT_SHARE)), cell * place) for place in places]
