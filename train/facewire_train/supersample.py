"""Draw at a multiple of a picture's size, then average: smooth edges.

Odd sides are drawn one pixel longer, so that the multiple is whole and points stay exact.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.paint import Picture, Points

SUPERSAMPLING = 1.5  # at 2, edges look the same and all that is done by pixel costs 1.8 times as much


def enlarged(points: Points) -> Points:
    """Give points (N, 2) of the picture in supersampled pixels."""
    return ((points + np.float32(0.5)) * np.float32(SUPERSAMPLING) - np.float32(0.5)).astype(np.float32)


def upscaled(picture: Picture) -> Picture:
    """Give a picture at the supersampled size."""
    h, w = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(even, None, fx=SUPERSAMPLING, fy=SUPERSAMPLING), np.float32)


def shrunk(picture: Picture, width: int, height: int) -> Picture:
    """Give a supersampled picture at its final size."""
    even = (width + width % 2, height + height % 2)
    return np.asarray(cv2.resize(picture, even, interpolation=cv2.INTER_AREA), np.float32)[:height, :width]


def values_at(drawn: NDArray[Any], points: Points) -> NDArray[Any]:
    """Give a supersampled picture's values (N,) nearest to points (N, 2) in final pixels."""
    h, w = drawn.shape
    x, y = np.round(enlarged(points)).astype(int).T
    return np.asarray(drawn[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)])
