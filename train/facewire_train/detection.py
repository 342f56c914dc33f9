"""Measure a detector on images whose every face is listed: average precision and false alarms by face size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.geometry import Box
from facewire_edge.types import Detection
from numpy.typing import NDArray

from facewire_train.evaluate import BatchRunner, detect_in
from facewire_train.faces import face_box
from facewire_train.images import read_labelled
from facewire_train.labels import Background, Pictured, Sample, group_by_image

MATCH_IOU = 0.4
LOWEST_SCORE = 0.02  # the tail of the precision-recall curve; the threshold in use is the card's
SIZE_PX = 640  # sizes are those of an image whose longer side has as many pixels
SMALLEST_PX = (0, 32, 64)
MISSED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Hold an image's faces, what a detector said, and which face each detection is (``MISSED``: none)."""

    image: Path
    faces: tuple[Sample, ...]
    detections: tuple[Detection, ...]  # best first
    matches: NDArray[np.intp]  # (detections,)
    scale: float  # to an image of SIZE_PX


def detect_scenes(
    samples: Sequence[Sample], card: ModelCard, run: BatchRunner, empty: Sequence[Background] = ()
) -> list[Scene]:
    """Run a detector over the images that list every face, or show none."""
    by_image = group_by_image([s for s in samples if s.complete])
    pictured: list[Pictured] = [*(faces[0] for faces in by_image.values()), *empty]
    listed = [*by_image.items(), *((b.image, []) for b in empty)]
    scenes = []
    found = detect_in((read_labelled(p) for p in pictured), card, run, LOWEST_SCORE)
    for (path, faces), (detections, shape) in zip(listed, found, strict=True):
        matches = match([face_box(f) for f in faces], detections)
        scenes.append(Scene(path, tuple(faces), tuple(detections), matches, SIZE_PX / max(shape[:2])))
    return scenes


def match(faces: Sequence[Box], detections: Sequence[Detection]) -> NDArray[np.intp]:
    """Give each detection, best first, the free face that it overlaps most, or ``MISSED``."""
    free, matches = set(range(len(faces))), np.full(len(detections), MISSED, np.intp)
    for number, detection in enumerate(detections):
        best = max(free, key=lambda i: faces[i].iou(detection.box), default=None)
        if best is not None and faces[best].iou(detection.box) >= MATCH_IOU:
            matches[number] = best
            free.remove(best)
    return matches


def detection_figures(scenes: Sequence[Scene], card: ModelCard) -> dict[str, Any]:
    """Give, for every smallest size, AP, recall and false alarms an image at the card's threshold.

    Source: Everingham et al. 2010, "The PASCAL VOC Challenge", section 4.2, with every point of the curve; a face
    below the smallest size, or marked ``ignore``, is neither wanted nor a false alarm, as in WIDER FACE. AP and recall
    are None where no face is wanted.
    """
    figures: dict[str, Any] = {"images": len(scenes)}
    for smallest in SMALLEST_PX:
        scores, hits, wanted = judged(scenes, smallest)
        kept = scores >= card.min_score
        figures[f"{smallest}px"] = {
            "faces": wanted,
            "ap": round(average_precision(hits, wanted), 4) if wanted else None,
            "recall": round(float(hits[kept].sum()) / wanted, 4) if wanted else None,
            "false_alarms_per_image": round(float((~hits[kept]).sum()) / len(scenes), 4),
        }
    return figures


def judged(scenes: Sequence[Scene], smallest_px: float) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Give the scores of the detections that count, best first, which of them hit, and how many faces are wanted."""
    rows, wanted = [], 0
    for scene in scenes:
        large = [not f.ignore and size_px(face_box(f), scene) >= smallest_px for f in scene.faces]
        wanted += sum(large)
        for detection, face in zip(scene.detections, scene.matches, strict=True):
            if large[face] if face != MISSED else size_px(detection.box, scene) >= smallest_px:
                rows.append((detection.score, face != MISSED))
    rows.sort(reverse=True)
    return np.array([s for s, _ in rows], np.float64), np.array([h for _, h in rows], bool), wanted


def size_px(box: Box, scene: Scene) -> float:
    """Give the side of the square of a box's area, in an image of ``SIZE_PX``."""
    return float(np.sqrt(box.width * box.height)) * scene.scale


def average_precision(hits: NDArray[np.bool_], wanted: int) -> float:
    """Give the area under the precision-recall curve of detections in order of their scores; 0 without a face."""
    if not wanted or not len(hits):
        return 0.0
    precision, recall = curve(hits, wanted)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * best_from_here).sum())


def curve(hits: NDArray[np.bool_], wanted: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give precision and recall after each detection."""
    right = np.cumsum(hits)
    return right / np.arange(1, len(hits) + 1), right / max(wanted, 1)
