"""Let models meet on the same faces: their predictions, sizes and speeds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.detect import FaceDetector
from facewire_edge.errors import UsageError
from facewire_edge.schema import LandmarkSchema

from facewire_train.datasets import Sample
from facewire_train.evaluate import (
    BatchRunner,
    Prediction,
    best_detection,
    errors_of,
    evaluate_landmarks,
    measurable,
    true_box,
)
from facewire_train.images import read_labelled
from facewire_train.peers import Peer, points_of_peer
from facewire_train.verdict import verdict

WARM_UP, RUNS = 5, 40  # inferences of one crop; the median is what is told
SAME_IOU = 0.5  # a detected box that overlaps the true one by this much is called right


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """Hold what one model did."""

    name: str
    schema: LandmarkSchema
    card: ModelCard | None  # of one of ours
    prediction: Prediction
    from_detector: Prediction | None  # the same faces with the detector's boxes
    size: int | None  # bytes
    ms: float | None  # a face

    def figures(self) -> dict[str, Any]:
        """Give all that is told of it as JSON values."""
        found: dict[str, Any] = {"model": self.name, "bytes": self.size, "ms_per_face": self.ms}
        found |= verdict(self.prediction, self.schema)
        if self.from_detector is not None:
            found["detector_boxes"] = verdict(self.from_detector, self.schema)
        return found


def enter_model(
    path: Path,
    card: ModelCard,
    run: BatchRunner,
    samples: Sequence[Sample],
    boxes: str,
    detector: FaceDetector | None,
    thorough: bool,
    schema: LandmarkSchema,
) -> Contestant:
    """Let one of our models predict points of ``schema``; ``thorough`` also times it and takes the detector's boxes."""
    prediction = evaluate_landmarks(samples, card, run, boxes, detector, schema)
    from_detector = None
    if thorough and boxes != "detector":
        from_detector = evaluate_landmarks(samples, card, run, "detector", detector, schema)
    return Contestant(
        name=card.title if card.sha256 else f"{card.title}, float, {path.resolve().parent.name}",
        schema=schema,
        card=card,
        prediction=prediction,
        from_detector=from_detector,
        size=path.stat().st_size,
        ms=_milliseconds(card, run) if thorough else None,
    )


def enter_peer(peer: Peer, samples: Sequence[Sample], schema: LandmarkSchema) -> Contestant:
    """Take a foreign model's answers on the faces that ours are measured on.

    Raises:
        DataError: they are not about these faces.
        UsageError: no face can be measured.

    """
    chosen = measurable(samples, schema)
    points = points_of_peer(peer, chosen, schema)
    errors = errors_of(points, chosen, schema)
    prediction = Prediction(chosen, points, errors, np.full(len(chosen), np.nan))
    return Contestant(peer.name, schema, None, prediction, None, peer.size, peer.ms)


def box_agreement(samples: Sequence[Sample], card: ModelCard, detector: FaceDetector) -> dict[str, Any]:
    """Compare the boxes of which the detector is sure with the true ones, both in the face convention."""
    if not samples:
        raise UsageError("no face to compare boxes on")
    overlaps = []
    for sample in samples:
        face = true_box(sample, card)
        found = best_detection(face, [d for d in detector(read_labelled(sample)) if not d.faint])
        overlaps.append(0.0 if found is None else face.iou(found.box))
    values = np.array(overlaps)
    return {
        "faces": len(values),
        "missed": int((values == 0).sum()),
        "median_iou": round(float(np.median(values)), 4),
        f"iou_{SAME_IOU:g}_percent": round(100 * float((values >= SAME_IOU).mean()), 3),
    }


def with_names_apart(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Number those of one name."""
    names = [c.name for c in contestants]
    return [
        c if names.count(c.name) == 1 else replace(c, name=f"{c.name} {names[: i + 1].count(c.name)}")
        for i, c in enumerate(contestants)
    ]


def _milliseconds(card: ModelCard, run: BatchRunner) -> float:
    """Give the median time of one crop on this machine."""
    crop = np.random.default_rng(0).integers(0, 256, (1, card.input.height, card.input.width, 3), dtype=np.uint8)
    times = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        run(crop)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times[WARM_UP:])), 3)
