"""Synthetic faces: a parametric head, lit and drawn with NumPy and OpenCV, with exact landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewire_train.backdrop import background, photograph
from facewire_train.foreground import BLURRED, blur_before
from facewire_train.head import Expression, Pose, express
from facewire_train.held import hold
from facewire_train.light import light_of
from facewire_train.look import expression_of, look_of
from facewire_train.paint import Points
from facewire_train.person import draw_person
from facewire_train.placing import placed, pose_of, seats, turn_of
from facewire_train.supersample import enlarged, shrunk, upscaled, values_at
from facewire_train.texture import FINE, pixels_a_cell
from facewire_train.wear import NOTHING

GROUP = 2  # the number of a group among a picture's generators
HANDS, BEFORE = 1, 3  # numbers of what is before a face among its generators: it takes no draw from the others


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFace:
    """Hold a rendered face."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    points: Points  # (68, 2) pixels
    visible: NDArray[np.bool_]  # (68,) False where the head, its hair or an object hides the point


def render(seed: int, index: int, size_px: int = 160) -> SyntheticFace:
    """Render one face; a pure function of its arguments.

    Args:
        seed: of the set.
        index: of the face in the set.
        size_px: side of the square picture.

    """
    rng = np.random.default_rng([seed, index])
    look, light = look_of(rng), light_of(rng)
    head = express(look.head, expression_of(rng))
    pose = pose_of(rng, head, size_px)
    gaze = rng.uniform(-1, 1, 2) * rng.random()
    picture = upscaled(background(rng, size_px, size_px))
    points, visible, _ = draw_person(picture, look, head, pose, light, gaze, pixels_a_cell(pose.scale))
    visible &= ~hold(picture, enlarged(points), look.skin, light, np.random.default_rng([seed, index, HANDS]))
    if rng.random() < BLURRED:
        visible &= ~blur_before(picture, enlarged(points), np.random.default_rng([seed, index, BEFORE]))
    small = shrunk(picture, size_px, size_px)
    return SyntheticFace(photograph(small, rng), points, visible & _inside(points, size_px, size_px))


def render_group(seed: int, index: int, size_px: int, most: int) -> list[SyntheticFace]:
    """Render 1 to ``most`` faces of several sizes in one picture, which they share; the same for the same arguments."""
    rng = np.random.default_rng([seed, index, GROUP])
    light, picture = light_of(rng), upscaled(background(rng, size_px, size_px))
    labels: list[tuple[Points, NDArray[np.bool_]]] = []
    for side, middle in seats(rng, size_px, int(rng.integers(1, most + 1))):
        look = look_of(rng)
        head, gaze = express(look.head, expression_of(rng)), rng.uniform(-1, 1, 2) * rng.random()
        pose = placed(turn_of(rng), head, side, middle)
        points, visible, body = draw_person(picture, look, head, pose, light, gaze, pixels_a_cell(pose.scale))
        labels = [(p, v & ~values_at(body, p)) for p, v in labels]  # who comes later stands before the others
        labels.append((points, visible & _inside(points, size_px, size_px)))
    image = photograph(shrunk(picture, size_px, size_px), rng)
    return [SyntheticFace(image, p, v) for p, v in labels]


def render_clip(seed: int, frames: int, width: int, height: int) -> Iterator[SyntheticFace]:
    """Render one person who turns, nods, comes nearer, talks and blinks; the same for the same arguments."""
    rng = np.random.default_rng([seed])
    look, light = replace(look_of(rng), glasses=0.0, worn=NOTHING), light_of(rng)
    backdrop = upscaled(background(rng, width, height))
    for number in range(frames):
        t = number / max(frames, 1) * 2 * np.pi
        picture = backdrop.copy()
        gaze = np.array([0.6 * np.sin(2 * t), 0.0])
        head = express(look.head, _talking(number, t))
        points, visible, _ = draw_person(picture, look, head, _moving(t, width, height), light, gaze, FINE)
        noise = np.random.default_rng([seed, number]).normal(0, 2, (height, width, 1))
        image = np.clip(shrunk(picture, width, height) + noise, 0, 255).astype(np.uint8)
        yield SyntheticFace(image, points, visible & _inside(points, width, height))


def _moving(t: float, width: int, height: int) -> Pose:
    """Give the pose at ``t``, 0 to 2 pi, of a clip."""
    scale = height * (0.21 + 0.04 * np.sin(t))
    x, y = width * (0.5 + 0.08 * np.sin(2 * t)), height * (0.47 + 0.03 * np.sin(3 * t))
    return Pose(28 * np.sin(t), 8 * np.sin(2 * t), 6 * np.sin(3 * t), x, y, scale)


def _talking(number: int, t: float) -> Expression:
    """Give the expression of frame ``number``: a blink every 40 frames."""
    blink = float(max(0.0, 1 - abs(number % 40 - 38) / 2))
    return Expression(max(0.0, 0.5 * np.sin(9 * t)), 0.3, 0.5 * max(0.0, np.sin(t)), blink)


def _inside(points: Points, width: int, height: int) -> NDArray[np.bool_]:
    return np.asarray(((points >= -0.5) & (points <= (width - 0.5, height - 0.5))).all(axis=1), dtype=np.bool_)
