"""Tie a schema to the five points that the device's detector finds: where they lie in the canonical crop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from facewire_edge.config import EdgeConfig
from facewire_edge.detect import FaceDetector
from facewire_edge.detectors import open_detector
from facewire_edge.errors import DataError
from facewire_edge.geometry import CropTransform
from facewire_edge.schema import POINTS5, LandmarkSchema
from facewire_edge.types import Detection
from numpy.typing import NDArray

from facewire_train.images import read_labelled
from facewire_train.labels import Sample, is_placed

log = logging.getLogger(__name__)

ENOUGH = 200  # faces: the median of a five-point place then moves by less than 0.003 of the crop
FEWEST = 5  # faces that the detector must find before its places are believed


def mean_points5(
    samples: Sequence[Sample],
    schema: LandmarkSchema,
    mean: NDArray[np.float32],
    detector: Callable[[], FaceDetector] | None = None,
) -> NDArray[np.float32]:
    """Give where the five points lie (5, 2), in crop units of the crop that the mean shape stands in.

    By the schema where it says; else by five points that the samples have beside their own; else by what the
    detector finds in their pictures, which is what it will find on the device.

    Args:
        samples: labelled with the schema.
        schema: of the model.
        mean: (N, 2) crop units.
        detector: opened where it is needed; default: the shipped one.

    Raises:
        DataError: the schema does not say it and the detector finds none of the faces.

    """
    if schema.points5 is not None:
        return schema.points5_of(mean)
    usable = [s for s in samples if is_placed(s.points)]
    places = [_crop(s, mean).to_units(s.points5) for s in usable if s.points5 is not None]
    if not places:
        found = (detector or shipped_detector)()
        places = _detected(usable[:: -(-len(usable) // ENOUGH)], mean, found)
        log.info("schema %s has no points5: placed by %d faces that the detector found", schema.name, len(places))
    stacked = np.stack(places) if places else np.full((1, 5, 2), np.nan, np.float32)
    if len(places) < FEWEST or not np.isfinite(stacked).any(axis=0).all():
        raise DataError(
            f"schema {schema.name!r} has no points5, and the detector found {len(places)} of its faces; "
            "add `points5 = [[...], ...]` to its TOML: the landmarks that average to each of the five"
        )
    return _symmetric(np.nanmedian(stacked, axis=0))


def shipped_detector() -> FaceDetector:
    """Open the detector that the device uses by default."""
    return open_detector(Path(EdgeConfig().detector))


def _detected(
    samples: Sequence[Sample], mean: NDArray[np.float32], detector: FaceDetector
) -> list[NDArray[np.float32]]:
    found = ((s, _around(s.points, detector(read_labelled(s)))) for s in samples)
    return [_crop(s, mean).to_units(d.points5) for s, d in found if d is not None]


def _around(points: NDArray[np.float32], detections: Sequence[Detection]) -> Detection | None:
    """Give the best detection about the points' centre: their box may be a small part of the face's."""
    x, y = (float(v) for v in np.nanmean(points, axis=0))
    inside = (d for d in detections if d.box.x0 < x < d.box.x1 and d.box.y0 < y < d.box.y1)
    return max(inside, key=lambda d: d.score, default=None)


def _crop(sample: Sample, mean: NDArray[np.float32]) -> CropTransform:
    return CropTransform.from_landmarks(sample.points, mean, 1)


def _symmetric(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make the places mirror images of each other, as the mean shape is."""
    mirrored = places[POINTS5.mirror] * np.array([-1, 1]) + np.array([1, 0])
    return np.asarray((places + mirrored) / 2, dtype=np.float32)
