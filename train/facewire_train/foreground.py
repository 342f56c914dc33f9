"""Put something out of focus between the camera and a face: somebody's shoulder, a pole, leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire_train.paint import Picture, Points, ellipse, lay, ribbon, stencil

BLURRED = 0.08  # share of pictures
SOFT = (0.03, 0.11)  # of the face: how far out of focus
LEAF = (0.12, 0.3)  # half length, of the face


def blur_before(picture: Picture, p: Points, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw something before a face whose points lie at ``p`` (68, 2); give which of these that hides."""
    face = float(np.linalg.norm(p[8] - p[27]))
    target = p[rng.integers(len(p))] + rng.normal(0, 0.1, 2) * face
    away = target - p.mean(axis=0) + rng.normal(0, 0.1, 2) * face
    away /= max(float(np.linalg.norm(away)), 1e-6)
    draw = (_somebody, _pole, _leaves)[rng.integers(3)]
    soft, hidden = float(rng.uniform(*SOFT)) * face, np.zeros(len(p), np.bool_)
    for outline, tone in draw(target, away, face, rng):
        shape = stencil(picture.shape, outline, soft)
        lay(picture, shape, np.clip(tone, 5, 250))
        x, y = np.round(p - (shape.x, shape.y)).astype(int).T
        inside = np.flatnonzero((x >= 0) & (y >= 0) & (x < shape.mask.shape[1]) & (y < shape.mask.shape[0]))
        hidden[inside] |= shape.mask[y[inside], x[inside]] > 0.5
    return hidden


Shapes = list[tuple[Points, NDArray[np.float64]]]


def _tone(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(rng.uniform(12, 170) + rng.normal(0, 18, 3))


def _somebody(target: Points, away: Points, face: float, rng: np.random.Generator) -> Shapes:
    """Give a shoulder or the back of a head that reaches from outside to the target."""
    radius = rng.uniform(0.9, 1.8) * face
    side = np.array([-away[1], away[0]]) * radius * rng.uniform(0.8, 1.4)
    return [(ellipse(target + away * radius, away * radius, side), _tone(rng))]


def _pole(target: Points, away: Points, face: float, rng: np.random.Generator) -> Shapes:
    """Give a post or a cable across the picture."""
    lean = np.array([rng.normal(0, 0.25), 1.0]) * 6 * face
    width = float(rng.uniform(0.1, 0.45)) * face
    return [(ribbon(np.linspace(target - lean, target + lean, 9).astype(np.float32), width), _tone(rng))]


def _leaves(target: Points, away: Points, face: float, rng: np.random.Generator) -> Shapes:
    """Give leaves on a twig that reaches in from outside."""
    green = np.array([rng.uniform(30, 110), rng.uniform(70, 150), rng.uniform(20, 60)]) * rng.uniform(0.5, 1.2)
    shapes = []
    for step in range(int(rng.integers(4, 10))):
        middle = target + away * step * 0.22 * face + rng.normal(0, 0.12, 2) * face
        angle, half = rng.uniform(0, np.pi), rng.uniform(*LEAF) * face
        along = np.array([np.cos(angle), np.sin(angle)]) * half
        leaf = ellipse(middle, along, np.array([-along[1], along[0]]) * rng.uniform(0.3, 0.55))
        shapes.append((leaf, green * rng.uniform(0.75, 1.25)))
    return shapes
