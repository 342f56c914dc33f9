"""Synthetic faces: a parametric head, lit and drawn with NumPy and OpenCV, with exact landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.backdrop import background, occlude, photograph
from facewire_train.body import Mesh, build
from facewire_train.head import (
    CAMERA_DISTANCE,
    Expression,
    Pose,
    controls,
    express,
    jaw_lines,
    outline_jaw,
    project,
    rotation,
)
from facewire_train.held import hold
from facewire_train.light import Light, highlight, light_of, shade
from facewire_train.paint import SHIFT, Picture, Points, fill, line
from facewire_train.raster import Seen, rasterise
from facewire_train.skin import Look, expression_of, look_of, paint_face
from facewire_train.wear import NOTHING, hides

SUPERSAMPLING = 2  # drawn at twice the size, then averaged: smooth edges
YAW, PITCH, ROLL = (17.0, 62.0), (8.0, 25.0), (9.0, 30.0)  # degrees: deviation and limit; ibug68 has 15, 9, 8
FACE_SHARE = (0.42, 0.6)  # side of the landmarks' tight box (geometric mean), of the picture's
PLACE, JITTER = (0.5, 0.55), 0.04  # middle of that box, of the picture's side; hair needs room above
NEAR = 0.12  # half jaw widths that a landmark may lie below the drawn surface and still be seen
GROUP = 2  # the number of a group among a picture's generators
SEAT_SHARE = (0.3, 0.68)  # side of the landmarks' tight box, of the seat's
SEAT_PLACE, SEAT_JITTER = 0.45, 0.05  # middle of that box in its seat, of the seat's side
HANDS = 1  # the number of what is held among a face's generators: it takes no draw from the others
DARK_GLASSES = 0.2  # share of glasses
RIM = (0.025, 0.07)  # width, half jaw widths
LENS_OFFSET = (0, 0.05, 0.3)  # from the middle of the eye, half jaw widths
TEMPLE_YAW = 8.0  # degrees by which a side may turn away before its temple is hidden


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
    pose = _pose(rng, head, size_px)
    gaze = rng.uniform(-1, 1, 2) * rng.random()
    picture = _upscaled(background(rng, size_px, size_px))
    points, visible, _ = _draw(picture, look, head, pose, light, gaze)
    visible &= ~occlude(picture, _enlarged(points), rng)
    visible &= ~hold(picture, _enlarged(points), look.skin, light, np.random.default_rng([seed, index, HANDS]))
    small = _shrunk(picture, size_px, size_px)
    return SyntheticFace(photograph(small, rng), points, visible & _inside(points, size_px, size_px))


def render_group(seed: int, index: int, size_px: int, most: int) -> list[SyntheticFace]:
    """Render 1 to ``most`` faces of several sizes in one picture, which they share; the same for the same arguments."""
    rng = np.random.default_rng([seed, index, GROUP])
    light, picture = light_of(rng), _upscaled(background(rng, size_px, size_px))
    labels: list[tuple[Points, NDArray[np.bool_]]] = []
    for side, middle in _seats(rng, size_px, int(rng.integers(1, most + 1))):
        look = look_of(rng)
        head, gaze = express(look.head, expression_of(rng)), rng.uniform(-1, 1, 2) * rng.random()
        points, visible, body = _draw(picture, look, head, _placed(_turn(rng), head, side, middle), light, gaze)
        labels = [(p, v & ~_values_at(body, p)) for p, v in labels]  # who comes later stands before the others
        labels.append((points, visible & _inside(points, size_px, size_px)))
    image = photograph(_shrunk(picture, size_px, size_px), rng)
    return [SyntheticFace(image, p, v) for p, v in labels]


def _seats(rng: np.random.Generator, size_px: int, n: int) -> list[tuple[float, NDArray[np.float64]]]:
    """Give sides and middles of ``n`` faces: each in a cell of a square grid of its own, the lower ones last."""
    rows = int(np.ceil(np.sqrt(n)))
    cell = size_px / rows
    cells = np.sort(rng.choice(rows * rows, n, replace=False))
    places = np.stack([cells % rows, cells // rows], axis=1) + rng.normal(SEAT_PLACE, SEAT_JITTER, (n, 2))
    return [(cell * float(rng.uniform(*SEAT_SHARE)), cell * place) for place in places]


def render_clip(seed: int, frames: int, width: int, height: int) -> Iterator[SyntheticFace]:
    """Render one person who turns, nods, comes nearer, talks and blinks; the same for the same arguments."""
    rng = np.random.default_rng([seed])
    look, light = replace(look_of(rng), glasses=0.0, worn=NOTHING), light_of(rng)
    backdrop = _upscaled(background(rng, width, height))
    for number in range(frames):
        t = number / max(frames, 1) * 2 * np.pi
        picture = backdrop.copy()
        gaze = np.array([0.6 * np.sin(2 * t), 0.0])
        head = express(look.head, _talking(number, t))
        points, visible, _ = _draw(picture, look, head, _moving(t, width, height), light, gaze)
        noise = np.random.default_rng([seed, number]).normal(0, 2, (height, width, 1))
        image = np.clip(_shrunk(picture, width, height) + noise, 0, 255).astype(np.uint8)
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


def _limited(rng: np.random.Generator, deviation: float, limit: float) -> float:
    return float(np.clip(rng.normal(0, deviation), -limit, limit))


def _pose(rng: np.random.Generator, head: NDArray[np.float32], size_px: int) -> Pose:
    """Turn a head, then place it so that its landmarks' tight box has a random size near the middle."""
    pose = _turn(rng)
    side = size_px * float(rng.uniform(*FACE_SHARE))
    return _placed(pose, head, side, size_px * rng.normal(PLACE, JITTER))


def _turn(rng: np.random.Generator) -> Pose:
    yaw = _limited(rng, *YAW) if rng.random() < 0.85 else float(rng.uniform(-YAW[1], YAW[1]))
    angles = yaw, _limited(rng, *PITCH), _limited(rng, *ROLL)
    return Pose(*angles, 0, 0, 1, float(rng.uniform(*CAMERA_DISTANCE)))


def _placed(pose: Pose, head: NDArray[np.float32], side_px: float, middle: NDArray[np.float64]) -> Pose:
    """Scale and move a pose: the landmarks' tight box gets the side (geometric mean) and the middle (2,)."""
    points = project(head @ rotation(pose).T.astype(np.float32), pose)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = side_px / float(np.sqrt((high - low).prod()))
    x, y = middle - (low + high) / 2 * scale
    return replace(pose, x=float(x), y=float(y), scale=scale)


def _draw(
    picture: Picture, look: Look, head: NDArray[np.float32], pose: Pose, light: Light, gaze: NDArray[np.float64]
) -> tuple[Points, NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw a person into the supersampled ``picture``.

    Give the landmarks in final pixels, which of them are seen (68,), and where the person is drawn (H, W).
    """
    mesh = build(look, head, pose)
    h, w = picture.shape[:2]
    attributes = np.column_stack([mesh.texture, _lit(mesh, light)])
    xy = _enlarged(project(mesh.places, pose))
    seen = rasterise(xy, mesh.places[:, 2], attributes, mesh.triangles, mesh.two_sided, (h, w))
    colours = _textured(paint_face(look, head, gaze), seen.values)
    colours *= seen.values[:, 2:5]
    colours += seen.values[:, 5:6]
    picture.reshape(-1, 3)[seen.pixels] = colours
    turn = rotation(pose).T.astype(np.float32)
    points = project(head @ turn, pose)
    lines = project(jaw_lines().through(controls(head)) @ turn, pose)
    points = outline_jaw(points, lines, pose)
    if look.glasses:
        _glasses(picture, look, head, pose)
    return points, _seen(points, head @ turn, seen) & ~hides(look.worn), seen.depth > -np.inf


def _textured(texture: Picture, values: NDArray[np.float32]) -> Picture:
    """Give the texture's colours (P, 3) where the pixels say."""
    side = 4096  # OpenCV remaps pictures of less than 32,768 rows: fold the list
    padded = np.zeros((-(-len(values) // side) * side, 2), np.float32)
    padded[: len(values)] = values[:, :2]
    folded = padded.reshape(-1, side, 2)
    colours = cv2.remap(texture, folded, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colours, np.float32).reshape(-1, 3)[: len(values)]


def _lit(mesh: Mesh, light: Light) -> NDArray[np.float32]:
    """Give each vertex's shade by colour, then its highlight (V, 4)."""
    normals = np.where(mesh.normals[:, 2:] < -0.2, -mesh.normals, mesh.normals)  # the inside of hair and clothes
    scale = shade(normals, light) * mesh.openness[:, None]
    return np.column_stack([scale, highlight(normals, light)]).astype(np.float32)


def _seen(points: Points, turned: NDArray[np.float32], seen: Seen) -> NDArray[np.bool_]:
    """Say which landmarks (68,) nothing of the person covers; the jaw's lie on the outline."""
    drawn = _values_at(seen.depth, points)
    visible = turned[:, 2] > drawn - NEAR
    visible[:17] = True
    return np.asarray(visible, dtype=np.bool_)


def _values_at(drawn: NDArray[Any], points: Points) -> NDArray[Any]:
    """Give a supersampled picture's values (N,) nearest to points (N, 2) in final pixels."""
    h, w = drawn.shape
    x, y = np.round(_enlarged(points)).astype(int).T
    return np.asarray(drawn[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)])


def _glasses(picture: Picture, look: Look, head: NDArray[np.float32], pose: Pose) -> None:
    """Draw glasses over the face; the temple of the side that is turned away is not seen."""
    rng = np.random.default_rng(look.texture + 4)
    turn = rotation(pose).T.astype(np.float32)
    tone, dark, square = rng.uniform(0, 70, 3), rng.random() < DARK_GLASSES, rng.random() < 0.5
    width = pose.scale * SUPERSAMPLING * rng.uniform(*RIM)
    middles = [head[first : first + 6].mean(axis=0) + np.array(LENS_OFFSET, np.float32) for first in (36, 42)]
    lenses = [_enlarged(project((middle + _rim(look.glasses, square)) @ turn, pose)) for middle in middles]
    for lens in lenses:
        fill(picture, lens, np.full(3, 22.0 if dark else 212.0), 0.5, 0.8 if dark else 0.1)
        corners = [np.round(lens * (1 << SHIFT)).astype(np.int32)]
        cv2.polylines(picture, corners, True, tone.tolist(), max(1, round(width)), cv2.LINE_AA, SHIFT)
    line(picture, np.linspace(lenses[0][0], lenses[1][12], 5), tone, width * 1.3)
    for lens, start, ear, side in ((lenses[0], 12, 0, 1), (lenses[1], 0, 16, -1)):
        if side * pose.yaw_deg > -TEMPLE_YAW:
            hinge = head[ear] + np.array([-0.06 * side, -0.1, -0.1], np.float32)
            end = _enlarged(project(hinge[None] @ turn, pose))[0]
            line(picture, np.linspace(lens[start], end, 5), tone, width)


def _rim(radius: float, square: bool) -> NDArray[np.float32]:
    """Give the rim (25, 3) of a lens about its middle, round or squarish, bent around the face."""
    angle = np.linspace(0, 2 * np.pi, 25)
    x, y = np.cos(angle), np.sin(angle)
    if square:
        x, y = np.sign(x) * np.abs(x) ** 0.6, np.sign(y) * np.abs(y) ** 0.6
    return (np.stack([1.1 * x, 0.82 * y, -0.25 * x**2], axis=1) * radius).astype(np.float32)


def _enlarged(points: Points) -> Points:
    return ((points + np.float32(0.5)) * np.float32(SUPERSAMPLING) - np.float32(0.5)).astype(np.float32)


def _upscaled(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, None, fx=SUPERSAMPLING, fy=SUPERSAMPLING), np.float32)


def _shrunk(picture: Picture, width: int, height: int) -> Picture:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _inside(points: Points, width: int, height: int) -> NDArray[np.bool_]:
    return np.asarray(((points >= -0.5) & (points <= (width - 0.5, height - 0.5))).all(axis=1), dtype=np.bool_)
