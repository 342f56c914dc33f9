"""The shipped models as teacher: where a face may be that nobody labelled, and what a detector takes for one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from facewire_edge.config import EdgeConfig
from facewire_edge.facebox import FaceFit
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.pipeline import load_models
from facewire_edge.types import Detection, Points
from numpy.typing import NDArray

Image = NDArray[np.uint8]

LOWEST_SCORE = 0.35  # at least 98 % of the labelled faces of each set score 0.5 or more
LOWEST_PRESENCE = 0.3  # nearly all faces found have 0.98 or more, half of the false alarms less than 0.5 (2026-11-21)
OVERLAP = 0.1  # of a labelled face and a detection that are not the same
TILES = 10  # parts of an image in which false alarms are looked for, beside the whole
SMALLEST_PX = 20.0  # of a false alarm: a smaller one may be a face too small to be listed


class Teacher:
    """Look at training images with the shipped detector and the shipped landmark model."""

    def __init__(self) -> None:
        self._detector, self._landmarks = load_models(replace(EdgeConfig(), min_score=LOWEST_SCORE))

    def unlabelled(self, image: Image, faces: Sequence[Box]) -> list[Box]:
        """Give where there may be faces other than ``faces``; the rest of the image is background."""
        return [d.box for d in self._off(image, faces) if self._presence(image, d) >= LOWEST_PRESENCE]

    def alarms(self, image: Image, faces: Sequence[Box], rng: np.random.Generator) -> Iterator[Detection]:
        """Give the false alarms in an image that shows ``faces`` and no others."""
        for x, y, tile in _tiles(image, rng):
            inside = [Box(f.x0 - x, f.y0 - y, f.x1 - x, f.y1 - y) for f in faces]
            found = (d for d in self._off(tile, inside) if min(d.box.width, d.box.height) >= SMALLEST_PX)
            yield from (_moved(d, x, y) for d in found)

    def _off(self, image: Image, faces: Sequence[Box]) -> Iterator[Detection]:
        return (d for d in self._detector(image) if not any(_touch(d.box, face) for face in faces))

    def _presence(self, image: Image, detection: Detection) -> float:
        look = self._landmarks(image, self._landmarks.crop_of_detection(detection))
        return self._landmarks(image, self._landmarks.crop_of_landmarks(look.points)).presence


def teacher_digest() -> str:
    """Give a hash of the models that teach."""
    config = EdgeConfig()
    return hashlib.sha256(Path(config.detector).read_bytes() + Path(config.model).read_bytes()).hexdigest()


def crop_of_alarm(alarm: Detection, mean_points5: Points, size: int) -> CropTransform:
    """Give what the device would crop, and a fifth more to move in."""
    crop = FaceFit(mean_points5, size)(alarm)
    return replace(crop, side_px=crop.side_px * 1.2, size=int(size * 1.2))


def _moved(detection: Detection, x: int, y: int) -> Detection:
    box = detection.box
    points5 = detection.points5 + np.array([x, y], np.float32)
    return Detection(Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y), detection.score, points5)


def _touch(a: Box, b: Box) -> bool:
    return a.iou(b) >= OVERLAP or _holds(a, b.centre) or _holds(b, a.centre)


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box.x0 <= point[0] <= box.x1 and box.y0 <= point[1] <= box.y1


def _tiles(image: Image, rng: np.random.Generator) -> Iterator[tuple[int, int, Image]]:
    """Give the image, then random parts of it from a sixth to two thirds of its width, with their corners."""
    yield 0, 0, image
    height, width = image.shape[:2]
    for _ in range(TILES):
        w = int(width * np.exp(rng.uniform(np.log(1 / 6), np.log(2 / 3))))
        h = min(height, int(w * 0.75))
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        if w and h:
            yield x, y, image[y : y + h, x : x + w]
