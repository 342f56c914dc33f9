"""Draw hands: fingers that taper and bend, their creases and nails; flat on a face, or round an edge."""

from __future__ import annotations

import numpy as np

from facewire_train.paint import Colour, Points, ellipse, fill, line
from facewire_train.solids import Scene, Vector, across, block, limb, rounded, solid, tube, turned

FINGER, LENGTHS = 0.145, (0.5, 0.62, 0.68, 0.6)  # width; lengths, little finger first
PALM, ARM = (0.6, 0.72), 0.42  # width and length; width
# A finger's width along it, of its greatest: the joints are thicker, the tip is round.
ALONG = (0.0, 0.2, 0.4, 0.48, 0.6, 0.72, 0.8, 0.9, 0.96, 0.985, 1.0)
WIDTH = (1.0, 0.94, 0.95, 0.99, 0.9, 0.9, 0.86, 0.78, 0.6, 0.42, 0.0)
JOINTS, NAIL = (0.45, 0.73), 0.9  # where along a finger
CREASE = 0.28  # how dark


def draw_hand(scene: Scene, tip: Vector, along: Vector, skin: Colour, rng: np.random.Generator) -> None:
    """Draw arm, palm and fingers that point ``along``; the middle finger ends at ``tip``."""
    unit, side, back = scene.unit, 1 if rng.random() < 0.5 else -1, rng.random() < 0.7
    right, spread = across(along) * side, float(rng.uniform(0.0, 0.1))
    knuckles = tip - along * LENGTHS[2] * unit
    wrist = knuckles - along * PALM[1] * unit
    limb(scene, wrist - along * 4 * unit, wrist + along * 0.15 * unit, ARM, skin)
    thumb = wrist + along * 0.25 * unit + right * 0.24 * unit
    _finger(scene, thumb, turned(along, side * rng.uniform(0.35, 0.75)), (0.66, FINGER * 1.2), -0.35 * side, skin, back)
    palm = block(wrist - along * 0.1 * unit, knuckles + along * 0.08 * unit, PALM[0] * 0.72 * unit, PALM[0] * unit)
    solid(scene, rounded(palm, 2), skin, 0.2)
    for number, length in enumerate(LENGTHS):
        offset = number - 1.5
        base = knuckles + right * offset * FINGER * unit - along * (0.14 + 0.03 * offset**2) * unit
        ray = turned(along, side * offset * spread)
        bend = rng.normal(0, 0.12) - 0.1 * side * offset
        _finger(scene, base, ray, (length + 0.14, FINGER * (0.86 if number == 0 else 1)), bend, skin, back)


def draw_grip(scene: Scene, edge: Vector, up: Vector, inward: Vector, skin: Colour) -> None:
    """Draw four fingers, one over the other, that come round an edge and end ``inward``."""
    for number in range(4):
        base = edge + up * (number - 1.5) * 0.98 * FINGER * scene.unit - inward * 0.2 * scene.unit
        length = 0.46 + 0.05 * (number % 3) - 0.06 * (number == 0)
        _finger(scene, base, turned(inward, 0.05 * (number - 1.5)), (length, FINGER), 0.0, skin, back=True)


def _finger(
    scene: Scene, base: Vector, ray: Vector, size: tuple[float, float], bend_rad: float, skin: Colour, back: bool
) -> None:
    """Draw a finger of a length and a width that bends by ``bend_rad`` to its tip; its nail if its back is seen."""
    length, width = size[0] * scene.unit, size[1] * scene.unit
    share = np.array(ALONG)
    angles = bend_rad * np.concatenate([[0], (share[1:] + share[:-1]) / 2])
    steps = np.diff(share, prepend=0)[:, None] * np.array([turned(ray, float(angle)) for angle in angles])
    spine = (base + length * np.cumsum(steps, axis=0)).astype(np.float32)
    solid(scene, tube(spine, width * np.array(WIDTH)), skin, size[1] / 2)
    end = turned(ray, bend_rad)
    for joint in JOINTS:
        place, half = _at(spine, joint), across(end) * 0.36 * width
        line(scene.picture, np.linspace(place - half, place + half, 5), np.zeros(3), 0.1 * width, CREASE)
    if back:
        nail = ellipse(_at(spine, NAIL), end * 0.3 * width, across(end) * 0.27 * width)
        fill(scene.picture, nail, np.minimum(skin * [1.1, 1.0, 1.0] + 26, 250), 0.03 * width, 0.55)


def _at(spine: Points, share: float) -> Vector:
    return np.array([np.interp(share, ALONG, spine[:, k]) for k in range(2)])
