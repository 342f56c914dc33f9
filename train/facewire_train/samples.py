"""Cut labelled faces into regions that fit in memory, ready to be augmented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from facewire_edge.geometry import Box, CropTransform
from numpy.typing import NDArray

from facewire_train.datasets import Sample
from facewire_train.images import read_image

# Around a crop of side 1 an augmented crop reaches (rotation by 45 degrees, 20 % larger) at most sqrt(2) * 1.2.
REGION_MARGIN = 1.7
REGION_OVERSAMPLING = 1.3  # region pixels a crop pixel: a crop that is shrunk by augmentation stays sharp
OFF_FACE_IOU = 0.15  # a crop that overlaps a face by more is not called "no face"
OFF_FACE_TRIES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Hold a face's surroundings and its points in the region's pixels."""

    image: NDArray[np.uint8]  # (R, R, 3)
    points: NDArray[np.float32]  # (N, 2), NaN where unlabelled
    upright: CropTransform  # of the tight box, no angle
    levelled: CropTransform  # canonical


def crop_of_box(sample: Sample, size: int, margin: float) -> CropTransform:
    """Give the upright square crop of the labelled points' tight box."""
    return CropTransform.from_box(Box.around(sample.points), size, margin)


def cut_region(
    sample: Sample, image: NDArray[np.uint8], mean_shape: NDArray[np.float32], size: int, margin: float
) -> Region:
    """Cut the region of a face; it is never sampled finer than its image."""
    base = crop_of_box(sample, size, margin)
    side = base.side_px * REGION_MARGIN
    pixels = int(min(size * REGION_MARGIN * REGION_OVERSAMPLING, max(side, size * 0.5)))
    cut = CropTransform(base.x, base.y, side, 0.0, pixels)
    points = cut.to_crop(sample.points)
    return Region(
        cut.warp(image),
        points,
        CropTransform.from_box(Box.around(points), size, margin),
        CropTransform.from_landmarks(points, mean_shape, size),
    )


def cut_off_face(
    image: NDArray[np.uint8], faces: Sequence[Sample], size: int, rng: np.random.Generator
) -> NDArray[np.uint8] | None:
    """Cut a square that holds no labelled face: background, or a face that the crop has slipped off."""
    face = faces[int(rng.integers(len(faces)))].box
    side = max(face.width, face.height)
    for _ in range(OFF_FACE_TRIES):
        drift = rng.random() < 0.5
        x, y = face.centre if drift else (rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[0]))
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.4) * side * drift
        crop_side = side * 1.25 * float(np.exp(rng.normal(0, 0.2 if drift else 0.5)))
        x, y = x + length * np.cos(angle), y + length * np.sin(angle)
        half = crop_side / 2
        box = Box(x - half, y - half, x + half, y + half)
        inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
        if inside and all(_core(f.box).iou(box) < OFF_FACE_IOU for f in faces):
            return CropTransform(x, y, crop_side, float(rng.normal(0, 0.3)), int(size * 1.2)).warp(image)
    return None


def _core(box: Box) -> Box:
    (x, y), w, h = box.centre, box.width * 0.5, box.height * 0.5
    return Box(x - w, y - h, x + w, y + h)


def load_regions(
    samples: Sequence[Sample], mean_shape: NDArray[np.float32], size: int, margin: float, seed: int
) -> tuple[list[Region], list[NDArray[np.uint8]]]:
    """Read all images once; give the regions of the faces and off-face crops (about one for two images)."""
    by_image: dict[str, list[Sample]] = {}
    for sample in samples:
        by_image.setdefault(str(sample.image), []).append(sample)
    regions, off_face = [], []
    for number, faces in enumerate(by_image.values()):
        image = read_image(faces[0].image)
        regions += [
            cut_region(s, image, mean_shape, size, margin) for s in faces if np.isfinite(s.points).all(axis=1).sum() > 1
        ]
        if number % 2 == 0:
            crop = cut_off_face(image, faces, size, np.random.default_rng([seed, number]))
            off_face += [] if crop is None else [crop]
    return regions, off_face
