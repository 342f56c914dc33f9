"""Make the small picture that a browser sees, with faces hidden on demand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facewire_edge.errors import OutputError
from facewire_edge.geometry import Box
from facewire_edge.types import Image

WIDTH = 480  # pixels, at most
QUALITY = 70  # of JPEG; about 20 kB
# Blurred: a face that was not found must not show either, so the whole picture keeps 48 columns at most: a face over a
# fifth of the width is then 10 pixels wide. One that was found, and so may be larger, becomes MOSAIC x MOSAIC tiles.
COARSE_WIDTH = 48
MOSAIC = 3
HEAD = 0.45  # of the landmarks' box, added on each side: forehead, ears and chin lie outside of it


def preview(image: Image, boxes: Sequence[Box], blurred: bool) -> bytes:
    """Give a frame (H, W, 3) RGB as a small JPEG; ``blurred`` hides faces, found (``boxes``, frame pixels) or not."""
    import cv2

    small = _resized(image, COARSE_WIDTH if blurred else WIDTH)
    if blurred:
        for box in boxes:
            _hide(small, box.scaled(small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]))
        small = _enlarged(small, min(WIDTH, image.shape[1]))
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    good, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not good:
        raise OutputError(f"OpenCV cannot encode a {small.shape[1]}x{small.shape[0]} JPEG; run: facewire-edge doctor")
    return bytes(data)


def _resized(image: Image, width: int) -> Image:
    """Give a copy of at most ``width`` columns."""
    import cv2

    width = min(width, image.shape[1])
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    small: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small


def _enlarged(image: Image, width: int) -> Image:
    import cv2

    height = max(1, round(image.shape[0] * width / image.shape[1]))
    large: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return large


def _hide(picture: Image, box: Box) -> None:
    """Lay a mosaic over a face; ``box`` is in pixels of the picture and may lie outside of it."""
    import cv2

    height, width = picture.shape[:2]
    grow_x, grow_y = HEAD * box.width, HEAD * box.height
    x0, x1 = np.clip([np.floor(box.x0 - grow_x), np.ceil(box.x1 + grow_x)], 0, width).astype(int)
    y0, y1 = np.clip([np.floor(box.y0 - grow_y), np.ceil(box.y1 + grow_y)], 0, height).astype(int)
    if x0 < x1 and y0 < y1:
        tiles = cv2.resize(picture[y0:y1, x0:x1], (MOSAIC, MOSAIC), interpolation=cv2.INTER_AREA)
        picture[y0:y1, x0:x1] = cv2.resize(tiles, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
