"""Hold something before a face: a hand, a telephone, a cup, a microphone, a book.

Lengths are in parts of the face: from the bridge of the nose to the chin, about 115 mm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire_train.hand import ARM, draw_grip, draw_hand
from facewire_train.light import Light
from facewire_train.paint import Colour, Picture, Points, fill
from facewire_train.solids import Scene, Vector, across, ball, block, limb, rounded, solid, turned, under

HELD = 0.14  # share of pictures
KINDS, SHARES = ("hand", "telephone", "cup", "microphone", "book"), (0.36, 0.18, 0.16, 0.14, 0.16)
TELEPHONE, CUP = (0.6, 1.2), (0.62, 0.85)  # width, height
TAPER = 0.78  # a cup's foot, of its rim
MICROPHONE = (0.2, 0.15)  # radius of its head, width of its handle


def hold(picture: Picture, p: Points, skin: Colour, light: Light, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw something before some faces whose points lie at ``p`` (68, 2); give which of these that hides."""
    cover = np.zeros(picture.shape[:2], np.uint8)
    if rng.random() < HELD:
        scene = Scene(picture, cover, float(np.linalg.norm(p[8] - p[27])), light)
        draw = {"hand": _hand, "telephone": _telephone, "cup": _cup, "microphone": _microphone, "book": _book}
        draw[str(rng.choice(KINDS, p=SHARES))](scene, p, skin, rng)
    return under(cover, p)


def _up(p: Points) -> Vector:
    up = (p[27] - p[8]).astype(np.float64)
    return np.asarray(up / max(float(np.linalg.norm(up)), 1e-6))


def _mouth(p: Points) -> Vector:
    return np.asarray(p[48:68].mean(axis=0), np.float64)


def _hand(scene: Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Lay fingers on mouth, cheek or chin; the arm comes from below or from that side."""
    target = p[int(rng.choice((51, 57, 62, 4, 12, 8, 30)))] + rng.normal(0, 0.08, 2) * scene.unit
    sideways = float(np.sign((target - p[30]) @ (p[16] - p[0]) + 1e-6 * rng.normal()))
    draw_hand(scene, target, turned(_up(p), -sideways * rng.uniform(0.1, 1.3)), skin, rng)


def _telephone(scene: Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Hold a telephone at a cheek; four fingers come round its outer edge."""
    side, jaw = (1, 12) if rng.random() < 0.5 else (-1, 4)
    up, unit = turned(_up(p), side * rng.uniform(-0.1, 0.45)), scene.unit
    out = across(up) * side
    middle = p[jaw] + out * rng.uniform(-0.15, 0.25) * unit + up * rng.uniform(0, 0.4) * unit
    low, high = (middle + sign * up * TELEPHONE[1] / 2 * unit for sign in (-1, 1))
    edge = middle + out * TELEPHONE[0] / 2 * unit
    limb(scene, edge - up * 4 * unit + out * unit, edge - up * 0.2 * unit, ARM, skin)
    case = rng.uniform(10, 70) + rng.uniform(0, 25, 3) if rng.random() < 0.7 else rng.uniform(60, 240, 3)
    solid(scene, _slab(low, high, TELEPHONE[0] * unit), case, 0.04)
    for step in (0.12, 0.26):  # its cameras
        ball(scene, high - up * step * unit + out * 0.16 * unit, 0.05, np.full(3, 14.0))
    draw_grip(scene, edge, up, -out, skin)


def _slab(low: Vector, high: Vector, width: float) -> Points:
    """Give a rectangle whose corners alone are round."""
    corners = block(low, high, width, width)
    steps = np.linspace(0, 1, 6, endpoint=False)[:, None]
    after = np.roll(corners, -1, axis=0)
    edges = [a + steps * (b - a) for a, b in zip(corners, after, strict=True)]
    return rounded(np.concatenate(edges).astype(np.float32), 2)


def _cup(scene: Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Drink from a cup: its rim before the mouth."""
    up, unit = turned(_up(p), rng.normal(0, 0.12)), scene.unit
    rim = _mouth(p) + up * rng.uniform(-0.25, 0.2) * unit
    width, foot = CUP[0] * unit, rim - up * CUP[1] * unit
    out = across(up) * (1 if rng.random() < 0.5 else -1)
    edge = (rim + foot) / 2 + out * width * 0.45
    limb(scene, edge - up * 3 * unit + out * 2 * unit, edge + out * 0.1 * unit, ARM, skin)
    colour = rng.uniform(30, 235) + rng.normal(0, 25, 3)
    solid(scene, block(foot, rim, TAPER * width, width), colour, 0.33)
    solid(scene, block(rim - up * 0.07 * unit, rim, width, 1.04 * width), colour * 1.05, 0.3)  # its lip
    draw_grip(scene, edge, up, -out, skin)


def _microphone(scene: Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Speak into a microphone: its head before mouth or chin, a hand round its handle."""
    along = turned(-_up(p), rng.normal(0, 0.45))
    head = _mouth(p) + along * rng.uniform(0.05, 0.45) * scene.unit + rng.normal(0, 0.06, 2) * scene.unit
    fist, out = head + along * rng.uniform(0.6, 0.8) * scene.unit, across(along) * (1 if rng.random() < 0.5 else -1)
    black = rng.uniform(12, 60) + rng.normal(0, 4, 3)
    limb(scene, fist + along * 3 * scene.unit + out * 1.5 * scene.unit, fist + out * 0.15 * scene.unit, ARM, skin)
    limb(scene, head, head + along * 1.5 * scene.unit, MICROPHONE[1], black)
    ball(scene, head, MICROPHONE[0], rng.uniform(25, 150) + rng.normal(0, 4, 3))
    limb(scene, head + along * 0.15 * scene.unit, head + along * 0.22 * scene.unit, MICROPHONE[0] * 1.7, black * 0.8)
    draw_grip(scene, fist + out * 0.12 * scene.unit, -along, -out, skin)


def _book(scene: Scene, p: Points, skin: Colour, rng: np.random.Generator) -> None:
    """Hold a book or a sheet of paper before the lower face, a hand at one of its edges."""
    up, unit = turned(_up(p), rng.normal(0, 0.2)), scene.unit
    out = across(up) * (1 if rng.random() < 0.5 else -1)
    width, height = rng.uniform(1.2, 1.8) * unit, rng.uniform(1.3, 1.9) * unit
    top = p[33] + up * rng.uniform(-0.5, 0.15) * unit + out * rng.uniform(-0.1, 0.5) * unit
    paper = rng.random() < 0.4
    colour = rng.uniform(205, 245) + rng.normal(0, 4, 3) if paper else rng.uniform(20, 220, 3)
    edge = top - up * 0.6 * height + out * width / 2
    limb(scene, edge - up * 3 * unit + out * unit, edge + out * 0.12 * unit, ARM, skin)
    solid(scene, block(top - up * height, top, width, width), colour, 0.03)
    ink = np.full(3, 70.0) if paper else np.clip(colour + rng.choice((-90, 90)), 10, 245)
    first, step, thick = (0.12, 0.1, 0.035) if paper else (0.22, 0.26, 0.12)
    for number in range(int(rng.integers(3, 7)) if paper else 2):
        middle, half = top - up * (first + step * number) * unit, rng.uniform(0.25, 0.4) * width * across(up)
        stripe = block(middle - half, middle + half, thick * unit, thick * unit)
        fill(scene.picture, stripe, ink * (0.8 if number else 0.7), 0.3, 0.5)
    draw_grip(scene, edge, up, -out, skin)
