"""Draw glasses over a face, with what their lenses mirror, and say what they hide."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.head import Pose, project, rotation
from facewire_train.look import Look
from facewire_train.paint import SHIFT, Picture, Points, Stencil, lay, line, mask_of, stencil
from facewire_train.supersample import SUPERSAMPLING, enlarged

DARK_GLASSES = 0.2  # share of glasses
DARK, CLEAR = (22.0, 0.8), (212.0, 0.1)  # level and strength of a lens
RIM = (0.025, 0.07)  # width, half jaw widths
LENS_OFFSET = (0, 0.05, 0.3)  # from the middle of the eye, half jaw widths
TEMPLE_YAW = 8.0  # degrees by which a side may turn away before its temple is hidden
MIRRORING, GLARE = 0.5, 0.15  # shares of glasses in which something is mirrored; of these, where it hides the eye
STREAK = (0.12, 0.5)  # width of what is mirrored, of the lens
HIDDEN = 0.6  # strength from which nobody sees what lies behind
LENS_POINTS = 25


def draw_glasses(
    picture: Picture, look: Look, head: NDArray[np.float32], pose: Pose, points: Points
) -> NDArray[np.bool_]:
    """Draw glasses; give which of ``points`` (68, 2), final pixels, that hides.

    The temple of the side that is turned away is not seen.
    """
    rng = np.random.default_rng(look.texture + 4)
    turn = rotation(pose).T.astype(np.float32)
    tone, dark, square = rng.uniform(0, 70, 3), rng.random() < DARK_GLASSES, rng.random() < 0.5
    width = pose.scale * SUPERSAMPLING * rng.uniform(*RIM)
    middles = [head[first : first + 6].mean(axis=0) + np.array(LENS_OFFSET, np.float32) for first in (36, 42)]
    lenses = [enlarged(project((middle + _rim(look.glasses, square)) @ turn, pose)) for middle in middles]
    hidden = _fill_lenses(picture, lenses, dark, enlarged(points), rng)
    for lens in lenses:
        corners = [np.round(lens * (1 << SHIFT)).astype(np.int32)]
        cv2.polylines(picture, corners, True, tone.tolist(), max(1, round(width)), cv2.LINE_AA, SHIFT)
    line(picture, np.linspace(lenses[0][0], lenses[1][12], 5), tone, width * 1.3)
    for lens, start, ear, side in ((lenses[0], 12, 0, 1), (lenses[1], 0, 16, -1)):
        if side * pose.yaw_deg > -TEMPLE_YAW:
            hinge = head[ear] + np.array([-0.06 * side, -0.1, -0.1], np.float32)
            end = enlarged(project(hinge[None] @ turn, pose))[0]
            line(picture, np.linspace(lens[start], end, 5), tone, width)
    return hidden


def _fill_lenses(
    picture: Picture, lenses: list[Points], dark: bool, points: Points, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw the lenses and what they mirror; give which points (68, 2), in the picture's own pixels, that hides."""
    level, strength = DARK if dark else CLEAR
    hidden = np.zeros(len(points), np.bool_)
    mirrored = _mirrored(rng)
    for lens in lenses:
        glass = stencil(picture.shape, lens, 0.5)
        lay(picture, glass, np.full(3, level), strength)
        hidden |= _under(glass, points, strength)
        if mirrored is not None:
            streak = glass._replace(mask=glass.mask * _streak(glass, lens, mirrored))
            lay(picture, streak, mirrored[4:])
            hidden |= _under(streak, points)
    return hidden


def _mirrored(rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Give angle, place, width and strength of a mirrored window or lamp on both lenses, then its colour; or nothing.

    Lengths are parts of the lens.
    """
    if rng.random() >= MIRRORING:
        return None
    glare = rng.random() < GLARE
    angle, place = rng.uniform(0.5, 1.3) * rng.choice((-1, 1)), rng.uniform(-0.5, 0.5)
    width = rng.uniform(0.6, 1.2) if glare else rng.uniform(*STREAK)
    strength = rng.uniform(0.75, 0.98) if glare else rng.uniform(0.15, 0.65)
    return np.array([angle, place * (1 - width / 2), width, strength, *(rng.uniform(225, 255) + rng.normal(0, 6, 3))])


def _streak(glass: Stencil, lens: Points, mirrored: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give how much of the lens's window (h, w) is mirrored: a slanting band and a thin one beside it."""
    if not glass.mask.size:
        return glass.mask
    angle, place, width, strength = mirrored[:4]
    size = float(np.ptp(lens[:, 0]) + np.ptp(lens[:, 1])) / 2
    along, across = (np.array([np.sin(a), np.cos(a)]) * size for a in (angle, angle + np.pi / 2))
    cover = np.zeros(glass.mask.shape, np.float32)
    for offset, half in ((place, width / 2), (place + width * 0.5 + 0.12, 0.04)):
        middle = lens.mean(axis=0) - (glass.x, glass.y) + offset * across
        corners = [middle + u * along + v * half * across for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        cover = np.maximum(cover, mask_of(cover.shape, np.array(corners, np.float32), 0.02 * size))
    return cover * np.float32(strength)


def _under(glass: Stencil, points: Points, strength: float = 1.0) -> NDArray[np.bool_]:
    """Say which points (68, 2) lie where a stencil covers nearly all."""
    h, w = glass.mask.shape
    x, y = np.round(points - (glass.x, glass.y)).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    hidden = np.zeros(len(points), np.bool_)
    hidden[inside] = glass.mask[y[inside], x[inside]] * strength > HIDDEN
    return hidden


def _rim(radius: float, square: bool) -> NDArray[np.float32]:
    """Give the rim (LENS_POINTS, 3) of a lens about its middle, round or squarish, bent around the face."""
    angle = np.linspace(0, 2 * np.pi, LENS_POINTS)
    x, y = np.cos(angle), np.sin(angle)
    if square:
        x, y = np.sign(x) * np.abs(x) ** 0.6, np.sign(y) * np.abs(y) ** 0.6
    return (np.stack([1.1 * x, 0.82 * y, -0.25 * x**2], axis=1) * radius).astype(np.float32)
