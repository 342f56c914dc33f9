"""Turn a picture's faces into a detector's targets: which cell shall say what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire_train.scenes import TINY_PX, Picture

POSITIVE_REACH = 0.22  # cells this near to a face's centre, in face sizes, shall find it
IGNORE_REACH = 0.5  # cells nearer than this are neither positive nor background
SIZE_RANGE = (0.6, 1.7)  # face size over reference size that a level shall find
SIZE_IGNORE = (0.4, 2.5)  # outside the range but within this: neither
# Weight of a face's box and points by its size. Counted alike, crowds of small faces, whose labels are a pixel or two
# off, left the large ones at 21 % of the eye distance (2026-11-21).
WEIGHTY_PX, LIGHTEST, HEAVIEST = 40.0, 0.1, 2.5
VISIBLE_PART = 0.4  # of a face's box inside the picture; a smaller part is neither


def encode(picture: Picture, grid: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Give the targets of a picture, each with its weight as the last column.

    Args:
        picture: composed.
        grid: (K, 3), see :func:`facewire_edge.detect.cell_grid`.

    Returns:
        scores (K, 2), boxes (K, 5), points (K, 11), coded as :class:`facewire_edge.card.DetectorSpec` says.

    """
    cells = len(grid)
    known = picture.known[_rows(grid, picture), _columns(grid, picture)]
    scores = np.stack([np.zeros(cells), known], axis=1).astype(np.float32)
    boxes, points = np.zeros((cells, 5), np.float32), np.zeros((cells, 11), np.float32)
    sizes = np.sqrt(np.maximum(0, picture.boxes[:, 2:] - picture.boxes[:, :2]).prod(axis=1))
    smallest, largest = grid[:, 2].min(), grid[:, 2].max()
    for i in np.argsort(-sizes):  # a small face in front of a large one has the last word
        box, five = picture.boxes[i], picture.points[i]
        middle, size = (box[:2] + box[2:]) / 2, sizes[i]
        away = np.abs(grid[:, :2] - middle).max(axis=1)
        effective = np.clip(size, smallest, largest)  # the outer levels also find what is beyond their range
        ratio = effective / grid[:, 2]
        near = (away < IGNORE_REACH * size) & (ratio > SIZE_IGNORE[0]) & (ratio < SIZE_IGNORE[1])
        scores[near, 1] = 0
        if not picture.wanted[i] or size < TINY_PX or _visible_part(box, picture) < VISIBLE_PART:
            continue
        level = (ratio > SIZE_RANGE[0]) & (ratio < SIZE_RANGE[1])
        positive = level & (away <= np.maximum(POSITIVE_REACH * size, 0.21 * grid[:, 2]))
        scores[positive] = 1
        reference = grid[positive, 2:]
        boxes[positive, :2] = (middle - grid[positive, :2]) / reference
        boxes[positive, 2:4] = np.log((box[2:] - box[:2]) / reference)
        weight = np.clip(size / WEIGHTY_PX, LIGHTEST, HEAVIEST)
        boxes[positive, 4] = weight
        if np.isfinite(five).all():
            points[positive, :10] = ((five - grid[positive, None, :2]) / reference[:, None]).reshape(-1, 10)
        points[positive, 10] = weight * np.isfinite(five).all()
    return {"scores": scores, "boxes": boxes, "points": points}


def _columns(grid: NDArray[np.float32], picture: Picture) -> NDArray[np.int64]:
    return np.asarray(np.minimum(grid[:, 0], picture.image.shape[1] - 1), dtype=np.int64)


def _rows(grid: NDArray[np.float32], picture: Picture) -> NDArray[np.int64]:
    return np.asarray(np.minimum(grid[:, 1], picture.image.shape[0] - 1), dtype=np.int64)


def _visible_part(box: NDArray[np.float32], picture: Picture) -> float:
    height, width = picture.image.shape[:2]
    low, high = np.maximum(box[:2], 0), np.minimum(box[2:], (width, height))
    return float(np.maximum(0, high - low).prod() / max((box[2:] - box[:2]).prod(), 1e-6))
