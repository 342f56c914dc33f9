"""Measure a model on labelled faces: NME, failures and AUC, in the crop that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.detect import FaceDetector, cell_grid, detections_of, letterbox
from facewire_edge.errors import UsageError
from facewire_edge.facebox import FaceFit
from facewire_edge.first_look import presence_needed
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.interpreter import Model, load_model
from facewire_edge.landmarks import decode_landmarks, decode_uncertainty
from facewire_edge.schema import POINTS5, LandmarkSchema, linear_map
from facewire_edge.types import Detection
from numpy.typing import NDArray

from facewire_train.checkpoint import load_checkpoint
from facewire_train.datasets import Sample
from facewire_train.faces import face_box, tell_box
from facewire_train.images import read_labelled
from facewire_train.labels import is_placed
from facewire_train.metrics import auc, failure_rate, nme
from facewire_train.samples import crop_of_box

BatchRunner = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]
BATCH = 64
FIFTHS = 5
THRESHOLD = 0.10  # of FR and AUC, as WFLW and COFW name it
MATCH_IOU = 0.3  # a detection that overlaps the true face by less is of something else


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Hold what a model said of samples; a face that the detector missed is NaN."""

    samples: tuple[Sample, ...]
    points: NDArray[np.float32]  # (S, N, 2) image pixels
    errors: NDArray[np.float64]  # (S,) NME as a fraction, infinite where missed
    mean_errors: NDArray[np.float64]  # of the bare mean shape in the same crops
    expected: NDArray[np.float32] | None = None  # (S, N) distance from the truth in pixels, where the model tells it


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Hold what a network said of crops in image pixels; NaN, and presence 0, where there is no crop."""

    points: NDArray[np.float32]  # (S, N, 2)
    presence: NDArray[np.float32]  # (S,)
    expected: NDArray[np.float32] | None  # (S, N), see Prediction

    def where(self, chosen: NDArray[np.bool_]) -> Looks:
        """Keep the looks at the samples that are ``chosen`` (S,), as if the others had no crop."""
        points = np.where(chosen[:, None, None], self.points, np.float32(np.nan))
        expected = None if self.expected is None else np.where(chosen[:, None], self.expected, np.float32(np.nan))
        return Looks(points, self.presence * chosen, expected)

    def or_else(self, other: Looks) -> Looks:
        """Take the other's looks at the samples of which there is none here."""
        expected = self.expected if other.expected is None else other.expected
        if self.expected is not None and other.expected is not None:
            expected = np.where(np.isnan(self.expected), other.expected, self.expected)
        points = np.where(np.isnan(self.points), other.points, self.points)
        return Looks(points, np.maximum(self.presence, other.presence), expected)


def to_network(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give uint8 RGB (..., 3) as the network eats it: [-1, 1]."""
    return np.asarray(images, dtype=np.float32) / np.float32(127.5) - np.float32(1)


def keras_runner(model: Any) -> BatchRunner:
    """Run a float model on batches of uint8 RGB (B, H, W, 3), compiled: a sixth of a mere call's time for eight."""

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        outputs = model.predict_on_batch(to_network(images))
        return {name: np.asarray(value) for name, value in outputs.items()}

    return run


def edge_runner(model: Model) -> BatchRunner:
    """Run a device model, image by image, from raw pixels."""

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        outputs = [model.run(image) for image in images]
        return {name: np.stack([o[name] for o in outputs]) for name in outputs[0]}

    return run


def open_model(path: Path) -> tuple[ModelCard, BatchRunner]:
    """Open a ``.keras`` or a ``.tflite`` of ours; the card of a float model has the hash of its file.

    Raises:
        ModelError: the file cannot be used.

    """
    if path.suffix == ".tflite":
        model = load_model(path)
        return model.card, edge_runner(model)
    checkpoint = load_checkpoint(path)
    return replace(checkpoint.card, float_sha256=checkpoint.sha256()), keras_runner(checkpoint.model)


def truth_crop(sample: Sample, card: ModelCard) -> CropTransform:
    """Give the square on the labelled points' tight box, upright: comparable with papers."""
    assert card.mean_shape is not None
    return crop_of_box(sample.points, card.mean_shape, card.input.width, card.margin)


def truth5_crop(sample: Sample, card: ModelCard) -> CropTransform:
    """Give the canonical crop from the five true points (from all labelled points, where there are no five)."""
    assert card.mean_points5 is not None
    assert card.mean_shape is not None
    if sample.points5 is not None and is_placed(sample.points5):
        return CropTransform.from_points5(sample.points5, card.mean_points5, card.input.width)
    return CropTransform.from_landmarks(sample.points, card.mean_shape, card.input.width)


def detector_crop(sample: Sample, card: ModelCard, detector: FaceDetector) -> CropTransform | None:
    """Give the canonical crop that the device would cut for this face; None where the detector missed it."""
    detection = _detection(sample, card, detector)
    return None if detection is None else _face_fit(card)(detection).on_grid()


def _detection(sample: Sample, card: ModelCard, detector: FaceDetector) -> Detection | None:
    return best_detection(true_box(sample, card), detector(read_labelled(sample)))


def true_box(sample: Sample, card: ModelCard) -> Box:
    """Give a face's box in the convention, also where too few of the five points are known to tell it."""
    assert card.mean_points5 is not None
    assert card.mean_shape is not None
    told = sample.points5 is not None and tell_box(sample.points5)
    if not told and len(sample.points) == len(card.mean_shape) and is_placed(sample.points):
        five = CropTransform.from_landmarks(sample.points, card.mean_shape, 1).from_units(card.mean_points5)
        sample = replace(sample, points5=five)
    return face_box(sample)


def _face_fit(card: ModelCard) -> FaceFit:
    assert card.mean_points5 is not None
    return FaceFit(card.mean_points5, card.input.width)


def best_detection(face: Box, detections: Sequence[Detection]) -> Detection | None:
    """Give the detection that overlaps a face's box (face convention) best, None below ``MATCH_IOU``."""
    best = max(detections, key=lambda d: face.iou(d.box), default=None)
    return best if best is not None and face.iou(best.box) >= MATCH_IOU else None


def predict(
    samples: Sequence[Sample], crops: Sequence[CropTransform | None], card: ModelCard, run: BatchRunner
) -> Looks:
    """Look at the crops that there are."""
    assert card.schema is not None
    points = np.full((len(samples), card.schema.n, 2), np.nan, np.float32)
    expected, presence = np.full(points.shape[:2], np.nan, np.float32), np.zeros(len(samples), np.float32)
    todo = [(i, c) for i, c in enumerate(crops) if c is not None]
    for start in range(0, len(todo), BATCH):
        part = todo[start : start + BATCH]
        outputs = run(np.stack([crop.warp(read_labelled(samples[i])) for i, crop in part]))
        for row, (i, crop) in enumerate(part):
            points[i] = crop.from_units(decode_landmarks(outputs["landmarks"][row], card))
            presence[i] = outputs["presence"][row].item()
            if "uncertainty" in outputs:
                last = outputs["uncertainty"][row][-card.schema.n :]  # while training, the landmarks stand before it
                expected[i] = decode_uncertainty(last, crop)
    return Looks(points, presence, None if np.isnan(expected).all() else expected)


def evaluate_landmarks(
    samples: Sequence[Sample],
    card: ModelCard,
    run: BatchRunner,
    boxes: str = "truth",
    detector: FaceDetector | None = None,
    schema: LandmarkSchema | None = None,
) -> Prediction:
    """Predict all samples that can be measured; see :func:`is_measurable`.

    Args:
        samples: of one schema.
        card: of the model.
        run: the model.
        boxes: truth, truth5 or detector; see train/README.md.
        detector: for ``boxes="detector"``.
        schema: of the samples, where it is not the model's: its points are mapped to it.

    Raises:
        UsageError: no sample can be measured, or nothing leads from the model's schema to the samples'.

    """
    assert card.schema is not None
    assert card.mean_shape is not None
    schema = schema or card.schema
    mapping = _mapping(card.schema, schema)
    samples = measurable(samples, schema)
    if boxes == "detector":
        assert detector is not None
        crops, looks = _as_device(samples, card, run, detector)
    else:
        crops = [truth_crop(s, card) if boxes == "truth" else truth5_crop(s, card) for s in samples]
        looks = predict(samples, crops, card, run)
    blank = np.full_like(card.mean_shape, np.nan)
    mean = np.stack([blank if c is None else c.from_units(card.mean_shape) for c in crops])
    points, mean = (np.einsum("dmn,snd->smd", mapping, p).astype(np.float32) for p in (looks.points, mean))
    expected = looks.expected if schema.names == card.schema.names else None
    errors = errors_of(points, samples, schema)
    return Prediction(samples, points, errors, errors_of(mean, samples, schema), expected)


def _mapping(source: LandmarkSchema, target: LandmarkSchema) -> NDArray[np.float32]:
    found = linear_map(source, target)
    if found is None:
        raise UsageError(f"a model of {source.name} cannot be measured on {target.name}: nothing maps one to the other")
    return found


def is_measurable(points: NDArray[np.float32], schema: LandmarkSchema) -> bool:
    """Say whether the eye corners of a face's points (N, 2) are labelled, and apart: errors are told by their distance.

    Corners in one place are a label's mistake, or a profile's that no error can be divided by.
    """
    right, left = points[list(schema.eye_corners)]
    return bool(np.linalg.norm(right - left) > 0)


def measurable(samples: Sequence[Sample], schema: LandmarkSchema) -> tuple[Sample, ...]:
    """Give the samples of a schema that can be measured, but for those to pass over (``ignore``).

    Raises:
        UsageError: there is none.

    """
    wanted = (s for s in samples if not s.ignore and len(s.points) == schema.n)
    found = tuple(s for s in wanted if is_measurable(s.points, schema))
    if not found:
        raise UsageError(f"no face with the eye corners of schema {schema.name} in this split; nothing to measure")
    return found


def _as_device(
    samples: Sequence[Sample], card: ModelCard, run: BatchRunner, detector: FaceDetector
) -> tuple[list[CropTransform | None], Looks]:
    """Give the crops and looks with which the device begins to follow a face, nothing where it believes in none.

    It looks twice, the second time where the first look found the landmarks, and where that shows no face twice more
    from the detector's box; see Tracker.
    """
    detections, fit = [_detection(s, card, detector) for s in samples], _face_fit(card)
    crops, looks = _looked_twice(samples, detections, fit, 0, card, run)
    again = [None if crop else detection for detection, crop in zip(detections, crops, strict=True)]
    others, more = _looked_twice(samples, again, fit.by_box, 1, card, run)
    return [crop or other for crop, other in zip(crops, others, strict=True)], looks.or_else(more)


def _looked_twice(
    samples: Sequence[Sample],
    detections: Sequence[Detection | None],
    crop_of: Callable[[Detection], CropTransform],
    attempt: int,
    card: ModelCard,
    run: BatchRunner,
) -> tuple[list[CropTransform | None], Looks]:
    """Give the second crops and looks, nothing where these two show too little of a face for this attempt."""
    first = predict(samples, [None if d is None else crop_of(d).on_grid() for d in detections], card, run)
    crops = [None if d is None else _landmark_crop(p, card) for d, p in zip(detections, first.points, strict=True)]
    second = predict(samples, crops, card, run)
    needed = [(0.0, 0.0) if d is None else presence_needed(d, card.min_presence)[attempt] for d in detections]
    believed: NDArray[np.bool_] = np.all(np.column_stack([first.presence, second.presence]) >= needed, axis=1)
    return [c if yes else None for c, yes in zip(crops, believed, strict=True)], second.where(believed)


def _landmark_crop(points: NDArray[np.float32], card: ModelCard) -> CropTransform:
    assert card.mean_shape is not None
    return CropTransform.from_landmarks(points, card.mean_shape, card.input.width).on_grid()


def errors_of(points: NDArray[np.float32], samples: Sequence[Sample], schema: LandmarkSchema) -> NDArray[np.float64]:
    """Give the NME (S,) of points (S, N, 2) as a fraction, infinite where the face was missed."""
    errors = nme(points, np.stack([s.points for s in samples]), schema.eye_corners)
    errors[np.isnan(points).all(axis=(1, 2))] = np.inf
    return errors


def summary(prediction: Prediction) -> dict[str, Any]:
    """Give the figures of a report: overall and per subset."""
    subsets = sorted({s.subset for s in prediction.samples})
    chosen = {name: np.array([s.subset == name for s in prediction.samples]) for name in subsets}
    whole = _figures(prediction, np.ones(len(prediction.samples), bool))
    if prediction.expected is not None and np.isfinite(prediction.errors).any():
        whole["uncertainty_percent"] = _fifths(prediction, prediction.expected)
    return {**whole, "subsets": {name: _figures(prediction, mask) for name, mask in chosen.items()}}


def _figures(prediction: Prediction, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """NME is the mean over the faces that were found; FR and AUC count a missed face as infinite."""
    errors, mean_errors = prediction.errors[mask], prediction.mean_errors[mask]
    found = np.isfinite(errors)
    return {
        "nme_percent": _percent(errors[found]),
        "fr10_percent": round(100 * failure_rate(errors, THRESHOLD), 3),
        "auc10": round(auc(errors, THRESHOLD), 4),
        "faces": int(mask.sum()),
        "missed": int((~found).sum()),
        "mean_shape_nme_percent": _percent(mean_errors[found]),
        "shift_px": _shift_px(prediction, np.flatnonzero(mask)[found]),
    }


def _shift_px(prediction: Prediction, faces: NDArray[np.intp]) -> list[float] | None:
    """Give how far all points of a face together lie right of and below its labels, the median face, in image pixels.

    Of a model that saw mirrored faces, -1 says that the labels were counted from 1, not from 0.
    """
    if not len(faces):
        return None
    labels = np.stack([prediction.samples[i].points for i in faces])
    shifts = np.nanmean(prediction.points[faces] - labels, axis=1)
    return [round(float(v), 2) for v in np.median(shifts, axis=0)]


def _fifths(prediction: Prediction, expected: NDArray[np.float32]) -> list[dict[str, float]]:
    """Part all points by how far off the model says they are; give what it says and what is true, the surest fifth
    first, in percent of the distance that NME divides by.
    """  # noqa: D205
    faces = np.flatnonzero(np.isfinite(prediction.errors))
    errors = np.linalg.norm(prediction.points[faces] - [prediction.samples[i].points for i in faces], axis=2)
    scale = 100 * prediction.errors[faces] / np.nanmean(errors, axis=1)
    said, true = ((v * scale[:, None])[np.isfinite(errors)] for v in (expected[faces], errors))
    parts = np.array_split(np.argsort(said, kind="stable"), FIFTHS)
    return [{"said": round(float(said[p].mean()), 2), "true": round(float(true[p].mean()), 2)} for p in parts if len(p)]


def _percent(errors: NDArray[np.float64]) -> float | None:
    return round(100 * float(errors.mean()), 4) if len(errors) else None


def evaluate_detector(samples: Sequence[Sample], card: ModelCard, run: BatchRunner) -> dict[str, Any]:
    """Measure a detector on faces whose five points are labelled, one wanted face at a time.

    Returns:
        recall, and loss: the mean over the faces of the best detection's five-point NME by eye distance, at most 1,
        and 1 where the face is missed; nme5: the mean over those found, None where there is none.

    Raises:
        UsageError: no face has five labelled points.

    """
    samples = [s for s in samples if has_points5(s)]
    if not samples:
        raise UsageError("no face with five labelled points in this split; nothing to measure")
    found = detect_in(map(read_labelled, samples), card, run, card.min_score)
    losses = [_detection_loss(s, detections) for s, (detections, _) in zip(samples, found, strict=True)]
    missed = sum(loss is None for loss in losses)
    errors = [min(1.0, loss) for loss in losses if loss is not None]
    return {
        "recall": 1 - missed / len(samples),
        "nme5": float(np.mean(errors)) if errors else None,
        "loss": (sum(errors) + missed) / len(samples),
        "faces": len(samples),
    }


def has_points5(sample: Sample) -> bool:
    """Say whether a detector can be measured on a face: it is wanted, and its five points are labelled."""
    five = None if sample.ignore else sample.points5
    return five is not None and bool(np.isfinite(five).all()) and is_measurable(five, POINTS5)


def detector_loss(samples: Sequence[Sample], card: ModelCard, run: BatchRunner) -> float:
    """Give the figure that a detector's parity gate compares; see :func:`evaluate_detector`."""
    return float(evaluate_detector(samples, card, run)["loss"])


def detect_in(
    images: Iterable[NDArray[np.uint8]], card: ModelCard, run: BatchRunner, min_score: float
) -> Iterator[tuple[list[Detection], tuple[int, ...]]]:
    """Give, image by image, the detections in its pixels, best first, and its shape."""
    assert card.detector is not None
    width, height = card.input.width, card.input.height
    grid = cell_grid(card.detector, width, height)
    images = iter(images)
    while batch := list(islice(images, BATCH)):
        letters = [letterbox(image, width, height) for image in batch]
        outputs = run(np.stack([letter for letter, _ in letters]))
        for i, (image, (_, scale)) in enumerate(zip(batch, letters, strict=True)):
            yield detections_of({name: rows[i] for name, rows in outputs.items()}, grid, min_score, scale), image.shape


def _detection_loss(sample: Sample, detections: Sequence[Detection]) -> float | None:
    assert sample.points5 is not None
    found = best_detection(face_box(sample), detections)
    return None if found is None else float(nme(found.points5[None], sample.points5[None], POINTS5.eye_corners)[0])
