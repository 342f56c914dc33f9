"""Draw glasses over a face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.head import Pose, project, rotation
from facewire_train.look import Look
from facewire_train.paint import SHIFT, Picture, fill, line
from facewire_train.supersample import SUPERSAMPLING, enlarged

DARK_GLASSES = 0.2  # share of glasses
RIM = (0.025, 0.07)  # width, half jaw widths
LENS_OFFSET = (0, 0.05, 0.3)  # from the middle of the eye, half jaw widths
TEMPLE_YAW = 8.0  # degrees by which a side may turn away before its temple is hidden


def draw_glasses(picture: Picture, look: Look, head: NDArray[np.float32], pose: Pose) -> None:
    """Draw glasses over the face; the temple of the side that is turned away is not seen."""
    rng = np.random.default_rng(look.texture + 4)
    turn = rotation(pose).T.astype(np.float32)
    tone, dark, square = rng.uniform(0, 70, 3), rng.random() < DARK_GLASSES, rng.random() < 0.5
    width = pose.scale * SUPERSAMPLING * rng.uniform(*RIM)
    middles = [head[first : first + 6].mean(axis=0) + np.array(LENS_OFFSET, np.float32) for first in (36, 42)]
    lenses = [enlarged(project((middle + _rim(look.glasses, square)) @ turn, pose)) for middle in middles]
    for lens in lenses:
        fill(picture, lens, np.full(3, 22.0 if dark else 212.0), 0.5, 0.8 if dark else 0.1)
        corners = [np.round(lens * (1 << SHIFT)).astype(np.int32)]
        cv2.polylines(picture, corners, True, tone.tolist(), max(1, round(width)), cv2.LINE_AA, SHIFT)
    line(picture, np.linspace(lenses[0][0], lenses[1][12], 5), tone, width * 1.3)
    for lens, start, ear, side in ((lenses[0], 12, 0, 1), (lenses[1], 0, 16, -1)):
        if side * pose.yaw_deg > -TEMPLE_YAW:
            hinge = head[ear] + np.array([-0.06 * side, -0.1, -0.1], np.float32)
            end = enlarged(project(hinge[None] @ turn, pose))[0]
            line(picture, np.linspace(lens[start], end, 5), tone, width)


def _rim(radius: float, square: bool) -> NDArray[np.float32]:
    """Give the rim (25, 3) of a lens about its middle, round or squarish, bent around the face."""
    angle = np.linspace(0, 2 * np.pi, 25)
    x, y = np.cos(angle), np.sin(angle)
    if square:
        x, y = np.sign(x) * np.abs(x) ** 0.6, np.sign(y) * np.abs(y) ** 0.6
    return (np.stack([1.1 * x, 0.82 * y, -0.25 * x**2], axis=1) * radius).astype(np.float32)
