"""Draw rounded shapes into a picture before a face: lit as it is, with the shadow that they cast on what is behind.

Lengths are in parts of the face: from the bridge of the nose to the chin, about 115 mm.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.light import Light, shade
from facewire_train.paint import STACK_REACH, Colour, Picture, Points, blend, ellipse, mask_of

Vector = NDArray[np.float64]

SHADOW, SHADOW_SOFT = 0.45, 0.03  # strength and softness of a shape's shadow on what lies behind it


class Scene(NamedTuple):
    """Hold a picture before whose face something is drawn."""

    picture: Picture
    cover: NDArray[np.uint8]  # (H, W) 255 where something is before the face
    unit: float  # pixels of the face
    light: Light


def across(along: Vector) -> Vector:
    """Give the direction to the right of ``along``, seen on the picture."""
    return np.array([-along[1], along[0]])


def turned(along: Vector, angle_rad: float) -> Vector:
    """Turn a direction clockwise, seen on the picture."""
    return np.asarray(np.cos(angle_rad) * along + np.sin(angle_rad) * across(along))


def block(low: Vector, high: Vector, low_width: float, high_width: float) -> Points:
    """Give a trapezium (4, 2) about the axis from ``low`` to ``high``."""
    side = across((high - low) / max(float(np.linalg.norm(high - low)), 1e-6)) / 2
    corners = [low - side * low_width, low + side * low_width, high + side * high_width]
    return np.array([*corners, high - side * high_width], np.float32)


def rounded(corners: Points, times: int = 3) -> Points:
    """Cut the corners of a polygon. Source: Chaikin 1974, "An algorithm for high-speed curve generation"."""
    for _ in range(times):
        after = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], axis=1).reshape(-1, 2)
    return corners.astype(np.float32)


def tube(spine: Points, widths: NDArray[np.float64]) -> Points:
    """Give the outline (2N, 2) about a line (N, 2) of widths (N,)."""
    along = np.gradient(spine, axis=0)
    side = along[:, ::-1] * (-1, 1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    half = side * widths[:, None] / 2
    return np.concatenate([spine + half, (spine - half)[::-1]]).astype(np.float32)


def limb(scene: Scene, first: Vector, last: Vector, width: float, colour: Colour) -> None:
    """Draw a straight round bar."""
    solid(scene, block(first, last, width * scene.unit, width * scene.unit), colour, width / 2)


def ball(scene: Scene, middle: Vector, radius: float, colour: Colour) -> None:
    """Draw a ball."""
    size = radius * scene.unit
    solid(scene, ellipse(middle, np.array([size, 0], np.float32), np.array([0, size], np.float32)), colour, radius)


def solid(scene: Scene, outline: Points, colour: Colour, roundness: float) -> None:
    """Draw a shape that rises from its edge like a quarter of a circle of radius ``roundness``, and its shadow."""
    margin = int(STACK_REACH * SHADOW_SOFT * scene.unit) + 2
    x, y, width, height = cv2.boundingRect(np.asarray(outline, np.float32))
    x0, y0 = max(x - margin, 0), max(y - margin, 0)
    part = scene.cover[y0 : max(y + height + margin, 0), x0 : max(x + width + margin, 0)]
    if not part.size:
        return
    window = scene.picture[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    place = np.asarray(outline - (x0, y0), np.float32)
    light = 1 - np.float32(SHADOW) * mask_of(part.shape, place, SHADOW_SOFT * scene.unit)
    window *= cv2.merge([light, light, light])
    mask = mask_of(part.shape, place)
    inside = (mask * 255).astype(np.uint8)
    np.maximum(part, inside, out=part)
    left, top, width, height = cv2.boundingRect(inside)  # of a long arm, little is in the picture
    if width:
        rows, columns = slice(top, top + height), slice(left, left + width)
        tone = shade(_normals(mask[rows, columns], max(roundness * scene.unit, 1.0)), scene.light)
        lit = tone.reshape(height, width, 3) * np.clip(colour, 5, 250).astype(np.float32)
        blend(window[rows, columns], mask[rows, columns], lit)


def under(cover: NDArray[np.uint8], p: Points) -> NDArray[np.bool_]:
    """Say which points (N, 2) are covered."""
    h, w = cover.shape
    x, y = np.round(p).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    return np.asarray(inside & (cover[y.clip(0, h - 1), x.clip(0, w - 1)] > 127), dtype=np.bool_)


def _normals(mask: NDArray[np.float32], radius_px: float) -> NDArray[np.float32]:
    """Give the normals (h * w, 3) of a rounded shape."""
    framed = cv2.copyMakeBorder((mask > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside = np.minimum(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / radius_px, 1)
    height = cv2.GaussianBlur(radius_px * np.sqrt(1 - (1 - inside) ** 2), (0, 0), max(0.12 * radius_px, 0.8))
    right, down = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    normals = np.stack([-right, -down, np.ones_like(right)], axis=2).reshape(-1, 3)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True), dtype=np.float32)
