"""Hold something before a face: a hand, a telephone, a cup, as rounded shapes in the picture, lit as the face is.

Lengths are in parts of the face: from the bridge of the nose to the chin, about 115 mm.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.light import Light, shade
from facewire_train.paint import SHIFT, Colour, Picture, Points, blend

Vector = NDArray[np.float64]

HELD = 0.08  # share of pictures
KINDS, SHARES = ("hand", "telephone", "cup"), (0.55, 0.25, 0.2)
FINGER, FINGER_LENGTHS = 0.15, (0.52, 0.62, 0.66, 0.56)  # width; little finger first
PALM, ARM = (0.64, 0.75), 0.46  # width and length; width
TELEPHONE, CUP = (0.6, 1.2), (0.66, 0.9)  # width, height
TAPER = 0.8  # a cup's foot, of its rim


class _Scene(NamedTuple):
    picture: Picture
    cover: NDArray[np.uint8]  # (H, W) 255 where something is held before the face
    unit: float  # pixels of the face
    light: Light


def hold(picture: Picture, p: Points, skin: Colour, light: Light, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw something before some faces whose points lie at ``p`` (68, 2); give which of these that hides."""
    cover = np.zeros(picture.shape[:2], np.uint8)
    if rng.random() < HELD:
        scene = _Scene(picture, cover, float(np.linalg.norm(p[8] - p[27])), light)
        kind = str(rng.choice(KINDS, p=SHARES))
        {"hand": _hand_on_face, "telephone": _telephone, "cup": _cup}[kind](scene, p, skin, rng)
    return _under(cover, p)


def _under(cover: NDArray[np.uint8], p: Points) -> NDArray[np.bool_]:
    h, w = cover.shape
    x, y = np.round(p).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    return np.asarray(inside & (cover[y.clip(0, h - 1), x.clip(0, w - 1)] > 127), dtype=np.bool_)


def _hand_on_face(scene: _Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Lay fingers on mouth, cheek or chin; the arm comes from below or from that side."""
    target = p[int(rng.choice((51, 57, 62, 4, 12, 8, 30)))] + rng.normal(0, 0.08, 2) * scene.unit
    sideways = float(np.sign((target - p[30]) @ (p[16] - p[0]) + 1e-6 * rng.normal()))
    angle = sideways * rng.uniform(0.1, 1.3)
    _hand(scene, target, _turned(_up(p), -angle), skin, rng)


def _up(p: Points) -> Vector:
    up = (p[27] - p[8]).astype(np.float64)
    return np.asarray(up / max(float(np.linalg.norm(up)), 1e-6))


def _across(along: Vector) -> Vector:
    """Give the direction to the right of ``along``, seen on the picture."""
    return np.array([-along[1], along[0]])


def _turned(along: Vector, angle_rad: float) -> Vector:
    """Turn a direction clockwise, seen on the picture."""
    return np.asarray(np.cos(angle_rad) * along + np.sin(angle_rad) * _across(along))


def _hand(scene: _Scene, tip: Vector, along: Vector, skin: Colour, rng: np.random.Generator) -> None:
    """Draw arm, palm and fingers that point ``along``; the middle finger ends at ``tip``."""
    unit, side = scene.unit, 1 if rng.random() < 0.5 else -1
    across, spread = _across(along) * side, float(rng.uniform(0.0, 0.09))
    knuckles = tip - along * FINGER_LENGTHS[2] * unit
    wrist = knuckles - along * PALM[1] * unit
    _limb(scene, [wrist - along * 4 * unit, wrist], ARM, skin)
    _polygon(scene, _block(wrist, knuckles, PALM[0] * 0.8 * unit, PALM[0] * unit), skin, 0.16)
    for number, length in enumerate(FINGER_LENGTHS):
        offset = number - 1.5
        base = knuckles + across * offset * 1.03 * FINGER * unit - along * 0.1 * unit
        ray = _turned(along, side * offset * spread)
        _limb(scene, [base, base + ray * (length + 0.1) * unit], FINGER, skin)
    thumb = wrist + along * 0.3 * unit + across * 0.3 * unit
    _limb(scene, [thumb, thumb + _turned(along, side * rng.uniform(0.3, 0.8)) * 0.6 * unit], FINGER * 1.15, skin)


def _telephone(scene: _Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Hold a telephone at a cheek; four fingers come round its outer edge."""
    side, jaw = (1, 12) if rng.random() < 0.5 else (-1, 4)
    up = _turned(_up(p), side * rng.uniform(-0.1, 0.45))
    out = _across(up) * side
    middle = p[jaw] + out * rng.uniform(-0.15, 0.25) * scene.unit + up * rng.uniform(0, 0.4) * scene.unit
    low, high = (middle + sign * up * TELEPHONE[1] / 2 * scene.unit for sign in (-1, 1))
    edge = middle + out * TELEPHONE[0] / 2 * scene.unit
    _limb(scene, [edge - up * 4 * scene.unit + out * scene.unit, edge - up * 0.2 * scene.unit], ARM, skin)
    width = TELEPHONE[0] * scene.unit
    _polygon(scene, _block(low, high, width, width), rng.uniform(10, 70) + rng.uniform(0, 25, 3), 0.04)
    _grip(scene, edge, up, -out, skin)


def _cup(scene: _Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Drink from a cup: its rim before the mouth."""
    up = _turned(_up(p), rng.normal(0, 0.12))
    rim = p[48:68].mean(axis=0) + up * rng.uniform(-0.25, 0.2) * scene.unit
    width, foot = CUP[0] * scene.unit, rim - up * CUP[1] * scene.unit
    out = _across(up) * (1 if rng.random() < 0.5 else -1)
    edge = (rim + foot) / 2 + out * width * 0.45
    _limb(scene, [edge - up * 3 * scene.unit + out * 2 * scene.unit, edge + out * 0.1 * scene.unit], ARM, skin)
    _polygon(scene, _block(foot, rim, TAPER * width, width), rng.uniform(30, 235) + rng.normal(0, 25, 3), 0.33)
    _grip(scene, edge, up, -out, skin)


def _grip(scene: _Scene, edge: Vector, up: Vector, inward: Vector, skin: Colour) -> None:
    """Draw four fingers, one over the other, from an edge inward."""
    for number in range(4):
        base = edge + up * (number - 1.5) * 1.02 * FINGER * scene.unit - inward * 0.1 * scene.unit
        _limb(scene, [base, base + inward * (0.34 + 0.04 * (number % 3)) * scene.unit], FINGER, skin)


def _block(low: Vector, high: Vector, low_width: float, high_width: float) -> Points:
    """Give a trapezium (4, 2) about the axis from ``low`` to ``high``."""
    across = _across((high - low) / max(float(np.linalg.norm(high - low)), 1e-6)) / 2
    corners = [low - across * low_width, low + across * low_width, high + across * high_width]
    return np.array([*corners, high - across * high_width], np.float32)


def _limb(scene: _Scene, ends: list[Vector], width: float, colour: Colour) -> None:
    """Draw a round bar between two places (2,)."""
    mask = np.zeros(scene.cover.shape, np.uint8)
    first, last = ([round(float(v) * (1 << SHIFT)) for v in end] for end in ends)
    cv2.line(mask, first, last, 255, max(round(width * scene.unit), 1), cv2.LINE_AA, SHIFT)
    _solid(scene, mask, colour, width / 2)


def _polygon(scene: _Scene, corners: Points, colour: Colour, roundness: float) -> None:
    mask = np.zeros(scene.cover.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners * (1 << SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    _solid(scene, mask, np.clip(colour, 5, 250), roundness)


def _solid(scene: _Scene, mask: NDArray[np.uint8], colour: Colour, roundness: float) -> None:
    """Draw a shape that rises from its edge like a quarter of a circle of radius ``roundness``."""
    np.maximum(scene.cover, mask, out=scene.cover)
    x, y, w, h = cv2.boundingRect(mask)
    if not w:
        return
    window, part = scene.picture[y : y + h, x : x + w], mask[y : y + h, x : x + w]
    tone = shade(_normals(part, max(roundness * scene.unit, 1.0)), scene.light).reshape(h, w, 3)
    blend(window, part * np.float32(1 / 255), tone * colour.astype(np.float32))


def _normals(mask: NDArray[np.uint8], radius_px: float) -> NDArray[np.float32]:
    """Give the normals (h * w, 3) of a rounded shape."""
    framed = cv2.copyMakeBorder((mask > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside = np.minimum(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / radius_px, 1)
    height = cv2.GaussianBlur(radius_px * np.sqrt(1 - (1 - inside) ** 2), (0, 0), max(0.12 * radius_px, 0.8))
    across, down = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    normals = np.stack([-across, -down, np.ones_like(across)], axis=2).reshape(-1, 3)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True), dtype=np.float32)
