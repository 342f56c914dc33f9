"""Find faces in a frame: the int8 detector, its decoding and the suppression of doubles."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facewire_edge.card import DetectorSpec
from facewire_edge.geometry import Box, halved
from facewire_edge.interpreter import Model
from facewire_edge.types import Detection, Image

NMS_IOU = 0.4  # a second box that overlaps a better one by more is the same face
# So is one that lies within it: a box of 0.6 the width has an IoU of only 0.36 (on 72 % of large faces, 2026-11-21).
NMS_INSIDE = 0.7  # of the smaller box
# A face is seen from several cells, and the mean of what they say is nearer than the best one's word. Five points of
# mmlab5 test 6.47 % of the eye distance instead of 6.87, AP of the far model 0.917 instead of 0.904 (2026-11-22).
BLEND_IOU = 0.75  # what overlaps a kept box by as much belongs to it
MAX_CANDIDATES = 400  # before suppression; a crowd picture of WIDER has up to 300 faces
# A picture this many times too large is averaged to half; a linear resize by 0.75 to 1.5 does the rest, five times as
# fast as one averaging by a factor that is not whole. Halved from 2 on, the detector finds less: AP 0.540 on 611 images
# of WIDER, from 1.5 on 0.547, averaged at once 0.545 (2026-11-21).
HALVE_FROM = 1.5
FAINT = 0.3  # of the threshold is enough for a detection that the landmark model is asked about
LOG_SIZE_LIMIT = 3.0  # exp(3) = 20 reference sizes: no face is larger, and exp must not overflow


class FaceDetector(Protocol):
    """Find faces in a frame (H, W, 3) uint8 RGB, best first; the last may be faint."""

    device: str  # what it runs on: cpu, or an Edge TPU

    def __call__(self, image: Image) -> list[Detection]:
        """Give the detections in frame pixels."""


class Int8Detector:
    """Run our own detector: letterbox, infer, decode, suppress.

    With ``faint`` it also gives detections from ``FAINT`` of its threshold on, marked as such.
    """

    def __init__(self, model: Model, min_score: float | None = None, *, faint: bool = False) -> None:
        card = model.card
        assert card.detector is not None  # by its kind
        self.card = card
        self.min_score = card.min_score if min_score is None else min_score
        self.device = model.device
        self._lowest = self.min_score * (FAINT if faint else 1.0)
        self._model = model
        self._grid = cell_grid(card.detector, card.input.width, card.input.height)

    def __call__(self, image: Image) -> list[Detection]:
        """Give the detections in frame pixels, best first."""
        letter, scale = letterbox(image, self.card.input.width, self.card.input.height)
        found = detections_of(self._model.run(letter), self._grid, self._lowest, scale)
        return [replace(d, faint=True) if d.score < self.min_score else d for d in found]


def detections_of(
    outputs: dict[str, NDArray[np.float32]], grid: NDArray[np.float32], min_score: float, scale: float
) -> list[Detection]:
    """Give the detections of one picture's dequantised outputs in frame pixels, best first.

    Args:
        outputs: scores (K, 1), boxes (K, 4), points (K, 10).
        grid: (K, 3), see :func:`cell_grid`.
        min_score: in [0, 1].
        scale: from frame to network input, see :func:`letterbox`.

    """
    scores, boxes, points = decode(outputs["scores"], outputs["boxes"], outputs["points"], grid, min_score)
    keep = suppress(boxes, scores)
    boxes, points = blended(keep, boxes, scores, points)
    boxes, points = (boxes + 0.5) / scale - 0.5, (points + 0.5) / scale - 0.5
    return [
        Detection(Box(*(float(v) for v in box)), float(score), five.astype(np.float32))
        for box, score, five in zip(boxes, scores[keep], points, strict=True)
    ]


def letterbox(image: Image, width: int, height: int) -> tuple[Image, float]:
    """Fit ``image`` into ``width`` x ``height`` at its own aspect ratio, top left, black beside it.

    Give the picture and the scale from frame to picture.
    """
    import cv2

    halvings = 0
    while max(image.shape[1] / width, image.shape[0] / height) >= HALVE_FROM:
        image, halvings = halved(image), halvings + 1
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_width = max(1, min(width, round(image.shape[1] * scale)))
    inner_height = max(1, min(height, round(image.shape[0] * scale)))
    picture = np.zeros((height, width, 3), np.uint8)
    # The exact kind gives the same pixels on every processor; the other differs by 1 of 255 on arm64, a box by 0.5 px.
    inner = cv2.resize(image, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR_EXACT)
    picture[:inner_height, :inner_width] = inner
    return picture, scale / 2**halvings


def cell_grid(spec: DetectorSpec, width: int, height: int) -> NDArray[np.float32]:
    """Give (K, 3): each cell's centre x, y in input pixels and its reference size, in the order of the rows."""
    levels = []
    for stride, reference in zip(spec.strides, spec.reference_px, strict=True):
        columns, rows = -(-width // stride), -(-height // stride)
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        centre = (stride - 1) / 2
        levels.append(
            np.stack([x * stride + centre, y * stride + centre, np.full_like(x, reference)], -1).reshape(-1, 3)
        )
    return np.concatenate(levels)


def decode(
    logits: NDArray[np.float32],
    boxes: NDArray[np.float32],
    points: NDArray[np.float32],
    grid: NDArray[np.float32],
    min_score: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Decode the rows whose score reaches ``min_score``, best first.

    Args:
        logits: (K, 1), see :class:`DetectorSpec`.
        boxes: (K, 4).
        points: (K, 10).
        grid: (K, 3), see :func:`cell_grid`.
        min_score: in [0, 1].

    Returns:
        scores (M,), boxes (M, 4) as x0, y0, x1, y1, points (M, 5, 2), in input pixels.

    """
    scores = np.asarray(1 / (1 + np.exp(-logits[:, 0])), dtype=np.float32)
    rows = np.flatnonzero(scores >= min_score)
    rows = rows[np.argsort(-scores[rows], kind="stable")[:MAX_CANDIDATES]]
    centre, reference = grid[rows, :2], grid[rows, 2:]
    middle = centre + boxes[rows, :2] * reference
    half = np.exp(np.minimum(boxes[rows, 2:], LOG_SIZE_LIMIT)) * reference / 2
    corners: NDArray[np.float32] = np.concatenate([middle - half, middle + half], axis=1)
    five = centre[:, None] + points[rows].reshape(-1, 5, 2) * reference[:, None]
    return scores[rows], corners, five


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Give the indices of the boxes (M, 4) that are no double of a better one; scores descend."""
    area = np.maximum(0, boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    alive = np.ones(len(scores), bool)
    keep = []
    for i in range(len(scores)):
        if not alive[i]:
            continue
        keep.append(i)
        low, high = np.maximum(boxes[i, :2], boxes[i + 1 :, :2]), np.minimum(boxes[i, 2:], boxes[i + 1 :, 2:])
        overlap = np.maximum(0, high - low).prod(axis=1)
        alive[i + 1 :] &= overlap <= NMS_IOU * (area[i] + area[i + 1 :] - overlap)
        alive[i + 1 :] &= overlap <= NMS_INSIDE * np.minimum(area[i], area[i + 1 :])
    return np.asarray(keep, dtype=np.int64)


def blended(
    keep: NDArray[np.int64], boxes: NDArray[np.float32], scores: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give kept boxes (N, 4) and points (N, 5, 2), averaged with what overlaps them by the odds of the scores.

    Source: Bazarevsky et al. 2019, "BlazeFace", section 3, which weights by the scores themselves.
    """
    area = np.maximum(0, boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    low, high = np.maximum(boxes[keep, None, :2], boxes[:, :2]), np.minimum(boxes[keep, None, 2:], boxes[:, 2:])
    overlap = np.maximum(0, high - low).prod(axis=2)
    weights = (overlap >= BLEND_IOU * (area[keep, None] + area - overlap)) * (scores / (1 + 1e-6 - scores))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ boxes, (weights @ points.reshape(-1, 10)).reshape(-1, 5, 2)
