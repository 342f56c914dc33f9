"""Cut what is no face out of the training images, for a landmark model to tell from faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from facewire_edge.geometry import Box, CropTransform
from numpy.typing import NDArray

from facewire_train.faces import face_box
from facewire_train.labels import Sample
from facewire_train.teacher import Teacher, crop_of_alarm

OFF_FACE_IOU = 0.15  # a crop that overlaps a face by more is not called "no face"
OFF_FACE_TRIES = 20
RANDOM_SHARE = 0.5  # of the images that give a random crop


@dataclass(frozen=True, slots=True, eq=False)
class OffFace:
    """Cut squares without a face: a random one of every second image, and a teacher's false alarms."""

    faces: Mapping[Path, Sequence[Sample]]  # all that are labelled, usable or not; a background has none
    mean_points5: NDArray[np.float32]  # (5, 2) crop units
    size: int
    seed: int
    teacher: Teacher | None

    def __call__(self, path: Path, image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Give the crops of an image, a fifth wider than a face's crop."""
        faces = self.faces.get(path, ())
        rng = np.random.default_rng([self.seed, *path.name.encode()])
        crop = cut_off_face(image, faces, self.size, rng) if rng.random() < RANDOM_SHARE else None
        crops = [] if crop is None else [crop]
        if self.teacher is not None and all(face.complete for face in faces):
            found = self.teacher.alarms(image, [face_box(f) for f in faces], rng)
            crops += [crop_of_alarm(alarm, self.mean_points5, self.size).warp(image) for alarm in found]
        return crops


def cut_off_face(
    image: NDArray[np.uint8], faces: Sequence[Sample], size: int, rng: np.random.Generator
) -> NDArray[np.uint8] | None:
    """Cut a square that holds no labelled face: background, or a face that the crop has slipped off."""
    face = faces[int(rng.integers(len(faces)))].box if faces else _any_box(image, rng)
    side = max(face.width, face.height)
    for _ in range(OFF_FACE_TRIES):
        drift = bool(faces) and rng.random() < 0.5
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


def _any_box(image: NDArray[np.uint8], rng: np.random.Generator) -> Box:
    """Give a square as large as a face might be in a picture that shows none."""
    side = min(image.shape[:2]) * float(np.exp(rng.uniform(np.log(0.1), np.log(0.8))))
    return Box(0, 0, side, side)


def _core(box: Box) -> Box:
    (x, y), w, h = box.centre, box.width * 0.5, box.height * 0.5
    return Box(x - w, y - h, x + w, y + h)
