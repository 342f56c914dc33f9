"""Paint soft polygons and lines into float pictures, with sub-pixel places."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (H, W, 3) RGB, 0 to 255, while it is painted
Points = NDArray[np.float32]  # (N, 2) pixels
Places = NDArray[np.floating[Any]]  # pixels, before they are rounded to float32
Colour = NDArray[np.float64]  # (3,) RGB

FINE = 64  # degrees of freedom from which nobody sees how noise is interpolated
STACK_REACH = 2.2  # half width of a stack blur, in deviations of the Gaussian that it resembles
SHIFT = 4  # binary digits of sub-pixel places in OpenCV's polygons


class Stencil(NamedTuple):
    """Hold the cover of a shape in a window of a picture."""

    x: int
    y: int
    mask: NDArray[np.float32]  # (h, w) 0 to 1


def mask_of(shape: tuple[int, ...], polygon: Points, soft_px: float = 0.0) -> NDArray[np.float32]:
    """Give the cover (H, W) of a polygon, 0 to 1, its edge blurred by ``soft_px``."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon * (1 << SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    if soft_px > 0.5:
        reach = 2 * round(STACK_REACH * soft_px) + 1
        mask = np.asarray(cv2.stackBlur(mask, (reach, reach)), dtype=np.uint8)
    return mask * np.float32(1 / 255)


def blend(picture: Picture, mask: NDArray[np.float32], colour: Colour | Picture) -> None:
    """Lay a colour or a picture over ``picture``, in place.

    Along whole rows: NumPy is four times as fast there as where it must repeat a colour pixel by pixel.
    """
    h, w = mask.shape
    rows = picture.reshape(h, 3 * w)  # a view: a window's pixels lie side by side
    layer = np.asarray(colour, dtype=np.float32)
    change = (np.tile(layer, w) if layer.ndim == 1 else layer.reshape(h, 3 * w)) - rows
    change *= cv2.merge([mask, mask, mask]).reshape(h, 3 * w)
    rows += change


def stencil(shape: tuple[int, ...], polygon: Points, soft_px: float = 0.0) -> Stencil:
    """Give the cover of a polygon in a picture of ``shape``, in the polygon's own window only."""
    reach = int(3 * soft_px) + 2
    x, y, width, height = cv2.boundingRect(polygon)  # of whole pixels, around the polygon
    x0, y0 = max(x - reach, 0), max(y - reach, 0)
    x1, y1 = min(x + width + reach, shape[1]), min(y + height + reach, shape[0])
    if x1 <= x0 or y1 <= y0:
        return Stencil(0, 0, np.zeros((0, 0), np.float32))
    return Stencil(x0, y0, mask_of((y1 - y0, x1 - x0), polygon - np.array([x0, y0], np.float32), soft_px))


def lay(picture: Picture, where: Stencil, colour: Colour, strength: float = 1.0) -> None:
    """Paint through a stencil."""
    h, w = where.mask.shape
    if h:
        window = picture[where.y : where.y + h, where.x : where.x + w]
        blend(window, where.mask * np.float32(strength), colour)


def fill(picture: Picture, polygon: Points, colour: Colour, soft_px: float = 0.0, strength: float = 1.0) -> None:
    """Paint a polygon with a soft edge."""
    lay(picture, stencil(picture.shape, polygon, soft_px), colour, strength)


def line(picture: Picture, points: Places, colour: Colour, width_px: float, strength: float = 1.0) -> None:
    """Paint a line as the polygon around it, thinner towards its ends."""
    fill(picture, ribbon(points, width_px), colour, 0.6, strength)


def ribbon(points: Places, width_px: float) -> Points:
    """Give the polygon around a line, thinner towards its ends."""
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    across = along[:, ::-1] * (-1, 1)
    across *= width_px / 2 * _slimness(len(points)) / np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-6)
    return np.concatenate([points + across, (points - across)[::-1]]).astype(np.float32)


@cache
def _slimness(n: int) -> NDArray[np.float64]:
    """Give a line's width (n, 1) along it, 1 in the middle; not to be written to."""
    return np.sin(np.linspace(0.35, np.pi - 0.35, n))[:, None]


def ellipse(centre: Places, right: Places, down: Places) -> Points:
    """Give an ellipse (24, 2) by its centre and half axes."""
    cosines, sines = _circle()
    return (centre + cosines * right + sines * down).astype(np.float32)


@cache
def _circle() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
    return np.cos(angles), np.sin(angles)


def noise(rng: np.random.Generator, coarse: tuple[int, int], height: int, width: int) -> NDArray[np.float32]:
    """Give smooth noise (height, width) of deviation 1 with ``coarse`` (rows, columns) of freedom."""
    return smoothed(rng.standard_normal(coarse, dtype=np.float32), height, width)


def smoothed(coarse: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Give coarse noise enlarged to (height, width)."""
    kind = cv2.INTER_LINEAR if min(coarse.shape) > FINE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=kind), dtype=np.float32)
