"""Synthetic faces: a parametric head, painted with NumPy and OpenCV, with exact landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.head import CAMERA_DISTANCE, Expression, Pose, express, hidden_by_head, identity, project, skull

Picture = NDArray[np.float32]  # (H, W, 3) RGB, 0 to 255, while it is painted
Points = NDArray[np.float32]
Colour = NDArray[np.float64]

SUPERSAMPLING = 2  # painted at twice the size, then averaged: smooth edges
SHIFT = 4  # binary digits of sub-pixel places in OpenCV's polygons
# Dark to light, red over green over blue; picked from photographs of hands and faces.
SKINS = np.array(
    [[70, 45, 35], [110, 72, 52], [150, 102, 76], [190, 142, 112], [224, 178, 150], [242, 206, 184]], float
)
HAIRS = np.array([[18, 15, 14], [42, 28, 20], [84, 54, 34], [130, 88, 50], [190, 150, 95], [150, 150, 150]], float)
IRISES = np.array([[50, 32, 20], [80, 55, 30], [70, 90, 60], [80, 110, 140]], float)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFace:
    """Hold a rendered face."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    points: Points  # (68, 2) pixels
    visible: NDArray[np.bool_]  # (68,) False where the head or an object hides the point


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Hold what a person looks like, whatever the head does."""

    head: NDArray[np.float32]  # (68, 3) at rest
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    hair_style: int  # 0 bald, 1 short, 2 long, 3 fringe
    beard: float  # 0 none, 1 full
    glasses: bool
    brow_width: float
    texture: int  # seed


def render(seed: int, index: int, size_px: int = 160) -> SyntheticFace:
    """Render one face; a pure function of its arguments.

    Args:
        seed: of the set.
        index: of the face in the set.
        size_px: side of the square picture.

    """
    rng = np.random.default_rng([seed, index])
    look, expression, pose = _look(rng), _expression(rng), _pose(rng, size_px)
    light: NDArray[np.float64] = np.array(rng.normal([0, -0.5, 0.9], [0.7, 0.4, 0.2]), dtype=np.float64)
    points, painted = _paint(look, expression, pose, light, _background(rng, size_px, size_px), rng)
    visible = ~hidden_by_head(look.head, pose)
    if rng.random() < 0.2:
        visible &= ~_occlude(painted, points, rng)
    return SyntheticFace(_finish(painted, size_px, size_px, rng), points, visible & _inside(points, size_px, size_px))


def render_clip(seed: int, frames: int, width: int, height: int) -> Iterator[SyntheticFace]:
    """Render one person who turns, nods, comes nearer, talks and blinks; the same for the same arguments."""
    rng = np.random.default_rng([seed])
    look = replace(_look(rng), glasses=False, hair_style=1)
    background = _background(rng, width, height)
    light = np.array([0.4, -0.5, 0.9])
    for number in range(frames):
        t = number / max(frames, 1) * 2 * np.pi
        scale = height * (0.2 + 0.04 * np.sin(t))
        place = (width * (0.5 + 0.08 * np.sin(2 * t)), height * (0.55 + 0.03 * np.sin(3 * t)))
        pose = Pose(28 * np.sin(t), 8 * np.sin(2 * t), 6 * np.sin(3 * t), *place, scale)
        expression = Expression(max(0.0, 0.5 * np.sin(9 * t)), 0.3, 0.3 * max(0.0, np.sin(t)), float(number % 40 < 3))
        points, painted = _paint(look, expression, pose, light, background.copy(), np.random.default_rng(seed))
        noise = np.random.default_rng([seed, number]).normal(0, 2, (height, width, 1))
        image = np.clip(_shrunk(painted, width, height) + noise, 0, 255).astype(np.uint8)
        yield SyntheticFace(image, points, ~hidden_by_head(look.head, pose))


def _look(rng: np.random.Generator) -> Look:
    skin = _between(SKINS, rng)
    return Look(
        head=identity(rng),
        skin=skin,
        hair=_between(HAIRS, rng),
        iris=IRISES[rng.integers(len(IRISES))],
        lips=skin * [0.9, 0.62, 0.62] + rng.uniform(0, 1) * np.array([30, 0, 8]),
        clothes=rng.uniform(20, 230, 3),
        hair_style=int(rng.choice(4, p=[0.1, 0.4, 0.3, 0.2])),
        beard=float(rng.choice([0.0, rng.uniform(0.3, 0.9)], p=[0.75, 0.25])),
        glasses=bool(rng.random() < 0.2),
        brow_width=float(rng.uniform(0.05, 0.1)),
        texture=int(rng.integers(1 << 30)),
    )


def _between(colours: NDArray[np.float64], rng: np.random.Generator) -> Colour:
    place = rng.uniform(0, len(colours) - 1)
    lower = int(place)
    upper = colours[min(lower + 1, len(colours) - 1)]
    return np.asarray(colours[lower] + (place - lower) * (upper - colours[lower]))


def _expression(rng: np.random.Generator) -> Expression:
    opened = float(rng.choice([0.0, rng.uniform(0.05, 0.9)], p=[0.5, 0.5]))
    closed = float(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.5, 1)], p=[0.85, 0.15]))
    return Expression(opened, float(rng.choice([0.0, rng.uniform(0, 1)])), float(rng.normal(0, 0.4)), closed)


def _pose(rng: np.random.Generator, size_px: int) -> Pose:
    yaw, pitch, roll = rng.normal(0, [20, 9, 9]).clip(-50, 50)
    scale = size_px * rng.uniform(0.21, 0.3)
    x, y = size_px * rng.normal([0.5, 0.54], 0.03)
    return Pose(yaw, np.clip(pitch, -20, 20), np.clip(roll, -30, 30), x, y, scale, rng.uniform(*CAMERA_DISTANCE))


def _paint(
    look: Look,
    expression: Expression,
    pose: Pose,
    light: NDArray[np.float64],
    picture: Picture,
    rng: np.random.Generator,
) -> tuple[Points, Picture]:
    """Paint a head over ``picture`` (supersampled), back to front; give its landmarks in final pixels."""
    head = express(look.head, expression)
    points = project(head, pose)
    p = (points + 0.5) * SUPERSAMPLING - 0.5
    top = (project(skull(head), pose) + 0.5) * SUPERSAMPLING - 0.5
    unit = pose.scale * SUPERSAMPLING
    _body(picture, p, look, unit)
    if look.hair_style == 2:
        _fill(picture, _long_hair(top, p, unit), look.hair * 0.8, 0.05 * unit)
    _ears(picture, p, look, unit)
    outline = np.concatenate([p[:17], top[::-1]])
    _skin(picture, outline, p, look, light, unit)
    _relief(picture, p, look, light, unit)
    _beard(picture, p, look, unit)
    _eyes(picture, p, look, unit, expression.close_eyes)
    _brows(picture, p, look, unit)
    _mouth(picture, p, look, unit, expression.open_mouth)
    _hair(picture, p, top, look, unit, rng)
    if look.glasses:
        _glasses(picture, p, unit)
    return points, picture


def _mask(shape: tuple[int, ...], polygon: Points, soft_px: float = 0.0) -> NDArray[np.float32]:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon * (1 << SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    if soft_px > 0.5:
        mask = cv2.GaussianBlur(mask, (0, 0), soft_px)
    return (mask * np.float32(1 / 255)).astype(np.float32)


def _blend(picture: Picture, mask: NDArray[np.float32], colour: Colour | Picture) -> None:
    picture += mask[..., None] * (np.asarray(colour, dtype=np.float32) - picture)


def _fill(picture: Picture, polygon: Points, colour: Colour, soft_px: float = 0.0, strength: float = 1.0) -> None:
    """Paint a polygon with a soft edge, in its own window only."""
    reach = int(3 * soft_px) + 2
    low = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - reach, 0)
    high = np.ceil(polygon.max(axis=0)).astype(int) + reach + 1
    window = picture[low[1] : high[1], low[0] : high[0]]
    if 0 not in window.shape:
        _blend(window, _mask(window.shape, polygon - low, soft_px) * np.float32(strength), colour)


def _line(picture: Picture, points: Points, colour: Colour, width_px: float, strength: float = 1.0) -> None:
    """Paint a line as the polygon around it, thinner towards its ends."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    half = width_px / 2 * np.sin(np.linspace(0.35, np.pi - 0.35, len(points)))[:, None]
    polygon = np.concatenate([points + across * half, (points - across * half)[::-1]]).astype(np.float32)
    _fill(picture, polygon, colour, 0.6, strength)


def _ellipse(centre: Points, right: Points, down: Points) -> Points:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
    return (centre + np.cos(angles) * right + np.sin(angles) * down).astype(np.float32)


def _axes(p: Points) -> tuple[Points, Points]:
    """Give the face's own right and down, each half a jaw width long, as the picture sees them."""
    right = (p[45] - p[36]) / 1.21  # the eye corners are 1.21 half jaw widths apart
    down = (p[8] - p[27]) / 1.63
    return right, down


def _background(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Give a supersampled picture of gradients, soft shapes and texture."""
    w, h = width * SUPERSAMPLING, height * SUPERSAMPLING
    coarse = rng.uniform(0, 255, (int(rng.integers(2, 6)), int(rng.integers(2, 6)), 3)).astype(np.float32)
    coarse = coarse.mean(axis=2, keepdims=True) * 0.75 + coarse * 0.25
    picture = np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), dtype=np.float32).clip(0, 255)
    for _ in range(int(rng.integers(0, 7))):
        centre, size = rng.uniform(0, 1, 2) * (w, h), rng.uniform(0.05, 0.35) * h
        corners = centre + rng.normal(0, 1, (int(rng.integers(3, 7)), 2)) * size
        hull = cv2.convexHull(corners.astype(np.float32))[:, 0]
        tone = rng.uniform(0, 255) + rng.normal(0, 25, 3)
        _fill(picture, hull, tone.clip(0, 255), float(rng.uniform(0.5, 5)), float(rng.uniform(0.3, 1)))
    return picture


def _body(picture: Picture, p: Points, look: Look, unit: float) -> None:
    chin, middle = p[8], (p[4] + p[12]) / 2
    half, bottom = 0.62 * unit, picture.shape[0] + unit
    neck = np.array([[middle[0] - half, middle[1]], [middle[0] + half, middle[1]],
                     [middle[0] + 1.1 * half, bottom], [middle[0] - 1.1 * half, bottom]], np.float32)  # fmt: skip
    _fill(picture, neck, look.skin * 0.72, 0.04 * unit)
    shoulder = chin[1] + 0.75 * unit
    across = np.linspace(-2.3, 2.3, 9)
    line = np.stack([middle[0] + across * unit, shoulder + 0.22 * unit * across**2 * 0.5 - 0.12 * unit], axis=1)
    body = np.concatenate([line, [[line[-1, 0], bottom], [line[0, 0], bottom]]]).astype(np.float32)
    _fill(picture, body, look.clothes, 0.03 * unit)


def _ears(picture: Picture, p: Points, look: Look, unit: float) -> None:
    right, down = _axes(p)
    for place, side in ((p[0], -1), (p[16], 1)):
        centre = place + side * 0.03 * right + 0.1 * down
        _fill(picture, _ellipse(centre, 0.14 * right, 0.32 * down), look.skin * 0.8, 0.03 * unit)


def _skin(picture: Picture, outline: Points, p: Points, look: Look, light: NDArray[np.float64], unit: float) -> None:
    """Paint the head as a shaded ellipsoid with blotches and pores."""
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 4, 0)
    high = np.ceil(outline.max(axis=0)).astype(int) + 5
    window = picture[low[1] : high[1], low[0] : high[0]]
    h, w = window.shape[:2]
    right, down = _axes(p)
    centre = (p[27] + p[30]) / 2 - 0.05 * down - low
    basis = np.linalg.inv(np.stack([right * 1.3 + 1e-3, down * 1.9 + 1e-3], axis=1) + 1e-6 * np.eye(2))
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32) - np.float32(centre[::-1, None, None])
    u, v = basis[0, 0] * xs + basis[0, 1] * ys, basis[1, 0] * xs + basis[1, 1] * ys
    depth = np.sqrt(np.clip(1 - u * u - v * v, 0.03, 1))
    direction = light / np.linalg.norm(light)
    shade = 0.55 + 0.55 * np.clip(u * direction[0] + v * direction[1] + depth * direction[2], 0, 1)
    shade *= 1 + _texture(look.texture, w, h)
    mask = _mask(window.shape, outline - low, 0.015 * unit)
    _blend(window, mask, look.skin.astype(np.float32) * shade[..., None].astype(np.float32))


def _texture(seed: int, width: int, height: int) -> NDArray[np.float32]:
    """Give blotches and pores as a relative change of brightness (height, width)."""
    rng = np.random.default_rng(seed)
    blotches = rng.standard_normal((9, 9), dtype=np.float32) * np.float32(0.03)
    pores = rng.standard_normal((64, 64), dtype=np.float32) * np.float32(0.025)
    coarse = cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(coarse + cv2.resize(pores, (width, height)), dtype=np.float32)


def _relief(picture: Picture, p: Points, look: Look, light: NDArray[np.float64], unit: float) -> None:
    """Darken the sockets and the shadow side of the nose, lighten its ridge, redden the cheeks."""
    right, down = _axes(p)
    dark, pale = look.skin * 0.55, np.minimum(look.skin * 1.2 + 12, 255)
    for first in (36, 42):
        eye = p[first : first + 6].mean(axis=0)
        _fill(picture, _ellipse(eye - 0.06 * down, 0.3 * right, 0.19 * down), dark, 0.09 * unit, 0.5)
        _fill(picture, _ellipse(eye + 0.16 * down, 0.24 * right, 0.06 * down), dark, 0.05 * unit, 0.25)
        _fill(
            picture,
            _ellipse(eye + 0.62 * down, 0.3 * right, 0.22 * down),
            look.skin * [1.05, 0.86, 0.84],
            0.15 * unit,
            0.4,
        )
    shaded = 31 if light[0] > 0 else 35
    _fill(picture, p[[27, 29, 30, 33, shaded]], dark, 0.06 * unit, 0.45)
    _fill(picture, np.concatenate([p[27:31] - 0.03 * right, (p[27:31] + 0.03 * right)[::-1]]), pale, 0.04 * unit, 0.5)
    _fill(picture, _ellipse(p[30], 0.09 * right, 0.08 * down), pale, 0.05 * unit, 0.5)
    _line(picture, p[31:36], look.skin * 0.45, 0.06 * unit, 0.7)
    for nostril in ((p[31] + p[32]) / 2, (p[34] + p[35]) / 2):
        _fill(picture, _ellipse(nostril, 0.055 * right, 0.03 * down), look.skin * 0.25, 0.02 * unit, 0.9)
    for wing, corner in ((31, 48), (35, 54)):
        _line(picture, np.linspace(p[wing], p[corner] + 0.1 * (p[corner] - p[51]), 5), dark, 0.05 * unit, 0.35)
    _fill(picture, _ellipse(p[57] + 0.12 * down, 0.2 * right, 0.05 * down), dark, 0.05 * unit, 0.4)


def _beard(picture: Picture, p: Points, look: Look, unit: float) -> None:
    if not look.beard:
        return
    lower = np.concatenate(
        [p[3:14], [p[54] + 0.3 * (p[13] - p[54]), p[35], p[33], p[31], p[48] + 0.3 * (p[3] - p[48])]]
    )
    _fill(picture, lower.astype(np.float32), look.hair, 0.08 * unit, look.beard)


def _eyes(picture: Picture, p: Points, look: Look, unit: float, closed: float) -> None:
    right, down = _axes(p)
    for first in (36, 42):
        lids = p[first : first + 6]
        centre = lids.mean(axis=0)
        if closed < 0.8:
            low, high = np.floor(lids.min(axis=0)).astype(int) - 2, np.ceil(lids.max(axis=0)).astype(int) + 3
            low = np.maximum(low, 0)
            window = picture[low[1] : high[1], low[0] : high[0]]
            if 0 in window.shape:
                continue
            eye = np.broadcast_to(np.array([228, 222, 216], np.float32), window.shape).copy()
            _fill(eye, _ellipse(centre - low, 0.1 * right, 0.1 * down), look.iris, 0.4)
            _fill(eye, _ellipse(centre - low, 0.045 * right, 0.045 * down), np.zeros(3), 0.3)
            _fill(eye, _ellipse(centre - low - 0.03 * (right + down), 0.018 * right, 0.018 * down), np.full(3, 255.0))
            _blend(window, _mask(window.shape, lids - low), eye)
        _line(picture, lids[:4], look.skin * 0.18, 0.055 * unit, 0.9)
        _line(picture, lids[[3, 4, 5, 0]], look.skin * 0.4, 0.03 * unit, 0.6)
        _line(picture, lids[:4] - 0.07 * down, look.skin * 0.5, 0.03 * unit, 0.4)


def _brows(picture: Picture, p: Points, look: Look, unit: float) -> None:
    for brow in (p[17:22], p[22:27]):
        _line(picture, brow, look.hair * 0.7, look.brow_width * 1.6 * unit, 0.85)


def _mouth(picture: Picture, p: Points, look: Look, unit: float, opened: float) -> None:
    outer, inner = p[48:60], p[60:68]
    _fill(picture, outer, look.lips, 0.8)
    _fill(picture, p[[48, 49, 50, 51, 52, 53, 54, 64, 63, 62, 61, 60]], look.lips * 0.82, 0.6)
    _fill(picture, inner, np.array([50.0, 18, 18]), 0.5)
    if opened > 0.1:
        teeth = np.concatenate([inner[:5], (inner[:5] + 0.35 * (inner[[0, 7, 6, 5, 4]] - inner[:5]))[::-1]])
        _fill(picture, teeth, np.array([225.0, 218, 205]), 0.5, 0.9)
    _line(picture, p[[60, 61, 62, 63, 64]], look.lips * 0.4, 0.035 * unit, 0.8)


def _long_hair(top: Points, p: Points, unit: float) -> Points:
    _, down = _axes(p)
    middle = top.mean(axis=0)
    crown = middle + (top - middle) * 1.12
    ends = np.stack([crown[-1] + 1.9 * down, crown[0] + 1.9 * down])
    return np.concatenate([crown, ends]).astype(np.float32)


def _hair(picture: Picture, p: Points, top: Points, look: Look, unit: float, rng: np.random.Generator) -> None:
    """Paint the hair above the forehead, with strands."""
    if look.hair_style == 0:
        return
    _, down = _axes(p)
    middle = top.mean(axis=0)
    crown = middle + (top - middle) * 1.08
    height = {1: 0.42, 2: 0.5, 3: 0.18}[look.hair_style]  # of the hair line above the brows
    brow_middle = (p[21] + p[22]) / 2
    line = np.stack([p[26] + 0.25 * (p[16] - p[26]), p[24], brow_middle, p[19], p[17] + 0.25 * (p[0] - p[17])])
    line[1:4] -= height * down
    line[[0, 4]] -= 0.15 * down
    polygon = np.concatenate([crown, line]).astype(np.float32)
    _fill(picture, polygon, look.hair, 0.035 * unit)
    strands = np.random.default_rng(look.texture)
    for _ in range(14):
        a, b = crown[strands.integers(len(crown))], line[strands.integers(len(line))]
        start = a + strands.uniform(0, 0.2) * (b - a)
        tone = look.hair * strands.uniform(0.6, 1.5) + strands.uniform(0, 12)
        _line(picture, np.linspace(start, a + strands.uniform(0.6, 0.95) * (b - a), 5), tone, 0.05 * unit, 0.35)


def _glasses(picture: Picture, p: Points, unit: float) -> None:
    right, down = _axes(p)
    lenses = [_ellipse(p[f : f + 6].mean(axis=0) + 0.03 * down, 0.31 * right, 0.24 * down) for f in (36, 42)]
    for lens in lenses:
        _fill(picture, lens, np.array([200.0, 205, 210]), 0.5, 0.12)
        closed = np.concatenate([lens, lens[:1]]).astype(np.int32)
        cv2.polylines(picture, [closed], True, (30, 28, 28), max(1, int(0.05 * unit)), cv2.LINE_AA)
    for a, b in ((lenses[0][0], lenses[1][12]), (lenses[0][12], p[0]), (lenses[1][0], p[16])):
        _line(picture, np.linspace(a, b, 5), np.array([30.0, 28, 28]), 0.05 * unit)


def _occlude(picture: Picture, points: Points, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Cover a part of the face; give which points (68,) it hides."""
    p = (points + 0.5) * SUPERSAMPLING - 0.5
    target, reach = p[rng.integers(len(p))], np.linalg.norm(p[16] - p[0]) * rng.uniform(0.12, 0.3)
    hull = cv2.convexHull((target + rng.normal(0, 1, (7, 2)) * reach).astype(np.float32))[:, 0]
    _fill(picture, hull, rng.uniform(0, 255, 3), float(rng.uniform(0.5, 2)))
    return np.array([cv2.pointPolygonTest(hull, (float(x), float(y)), False) >= 0 for x, y in p], np.bool_)


def _shrunk(picture: Picture, width: int, height: int) -> Picture:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _finish(picture: Picture, width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make a photograph of it: focus, exposure, cast, noise."""
    image = _shrunk(picture, width, height)
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2))), dtype=np.float32)
    gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.06, 3))
    image = (image - 128) * gain + 128 + rng.normal(0, 12)
    image = image + rng.normal(0, rng.uniform(1, 6), (height, width, 1))
    if rng.random() < 0.08:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    return np.clip(image, 0, 255).astype(np.uint8)


def _inside(points: Points, width: int, height: int) -> NDArray[np.bool_]:
    return np.asarray(((points >= -0.5) & (points <= (width - 0.5, height - 0.5))).all(axis=1), dtype=np.bool_)
