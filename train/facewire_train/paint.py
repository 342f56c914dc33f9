"""Paint soft polygons and lines into float pictures, with sub-pixel places."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (H, W, 3) RGB, 0 to 255, while it is painted
Points = NDArray[np.float32]  # (N, 2) pixels
Colour = NDArray[np.float64]  # (3,) RGB

FINE = 64  # degrees of freedom from which nobody sees how noise is interpolated
STACK_REACH = 2.2  # half width of a stack blur, in deviations of the Gaussian that it resembles
SHIFT = 4  # binary digits of sub-pixel places in OpenCV's polygons


def mask_of(shape: tuple[int, ...], polygon: Points, soft_px: float = 0.0) -> NDArray[np.float32]:
    """Give the cover (H, W) of a polygon, 0 to 1, its edge blurred by ``soft_px``."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon * (1 << SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    if soft_px > 0.5:
        reach = 2 * round(STACK_REACH * soft_px) + 1
        mask = np.asarray(cv2.stackBlur(mask, (reach, reach)), dtype=np.uint8)
    return (mask * np.float32(1 / 255)).astype(np.float32)


def blend(picture: Picture, mask: NDArray[np.float32], colour: Colour | Picture) -> None:
    """Lay a colour or a picture over ``picture``, in place."""
    cover = cv2.merge([mask, mask, mask])  # a plain product of equal shapes is three times as fast as a broadcast one
    picture += cover * (np.asarray(colour, dtype=np.float32) - picture)


def fill(picture: Picture, polygon: Points, colour: Colour, soft_px: float = 0.0, strength: float = 1.0) -> None:
    """Paint a polygon with a soft edge, in its own window only."""
    reach = int(3 * soft_px) + 2
    low = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - reach, 0)
    high = np.maximum(np.ceil(polygon.max(axis=0)).astype(int) + reach + 1, 0)
    window = picture[low[1] : high[1], low[0] : high[0]]
    if 0 not in window.shape:
        blend(window, mask_of(window.shape, polygon - low, soft_px) * np.float32(strength), colour)


def line(picture: Picture, points: Points, colour: Colour, width_px: float, strength: float = 1.0) -> None:
    """Paint a line as the polygon around it, thinner towards its ends."""
    fill(picture, ribbon(points, width_px), colour, 0.6, strength)


def ribbon(points: Points, width_px: float) -> Points:
    """Give the polygon around a line, thinner towards its ends."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    half = width_px / 2 * np.sin(np.linspace(0.35, np.pi - 0.35, len(points)))[:, None]
    return np.concatenate([points + across * half, (points - across * half)[::-1]]).astype(np.float32)


def ellipse(centre: Points, right: Points, down: Points) -> Points:
    """Give an ellipse (24, 2) by its centre and half axes."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
    return (centre + np.cos(angles) * right + np.sin(angles) * down).astype(np.float32)


def noise(rng: np.random.Generator, coarse: tuple[int, int], height: int, width: int) -> NDArray[np.float32]:
    """Give smooth noise (height, width) of deviation 1 with ``coarse`` (rows, columns) of freedom."""
    small = rng.standard_normal(coarse, dtype=np.float32)
    return np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR if min(coarse) > FINE else cv2.INTER_CUBIC),
        dtype=np.float32,
    )
