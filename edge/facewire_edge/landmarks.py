"""Find the landmarks of one face: frame and crop in, points in frame pixels and presence out."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from facewire_edge.card import ModelCard
from facewire_edge.facebox import FaceFit, box_of_points5
from facewire_edge.geometry import Box, CropTransform, ShapeFit
from facewire_edge.interpreter import Model
from facewire_edge.types import Detection, Image, Look, Points

SPANS_IOU = 0.5  # of the mean shape's tight box and the face's, from which on landmarks span the face


class LandmarkModel:
    """Run a landmark model on crops of a frame."""

    def __init__(self, model: Model) -> None:
        card = model.card
        assert card.schema is not None  # a landmark model's card was checked to have these three
        assert card.mean_shape is not None
        assert card.mean_points5 is not None
        self.card = card
        self.schema = card.schema
        self.mean_shape = card.mean_shape
        self.mean_points5 = card.mean_points5
        self.device = model.device
        self.crop_ns = 0  # spent on cutting crops since start
        self._model = model
        self._fit = ShapeFit(self.mean_shape, card.input.width)
        self._fit_face = FaceFit(self.mean_points5, card.input.width)
        face = box_of_points5(self.mean_points5 * card.input.width)
        self._spans = Box.around(self.mean_shape * card.input.width).iou(face) >= SPANS_IOU

    def crop_of_detection(self, detection: Detection) -> CropTransform:
        """Give the canonical crop of a detected face in frame pixels."""
        return self._fit_face(detection).on_grid()

    def crop_of_box(self, detection: Detection) -> CropTransform:
        """Give a wider crop of a detected face, for which its five points tell no more than how it is turned."""
        return self._fit_face.by_box(detection).on_grid()

    def crop_of_landmarks(self, points: Points) -> CropTransform:
        """Give the canonical crop of the last frame's landmarks (N, 2) in frame pixels."""
        return self._fit(points).on_grid()

    def box_of(self, points: Points) -> Box:
        """Give the box by which a face is told from others: that of landmarks (N, 2) which span it, else the face's.

        The lids alone make a thin box, which overlaps neither the detector's nor its own in the next frame.
        """
        if self._spans:
            return Box.around(points)
        return box_of_points5(self._fit(points).from_units(self.mean_points5))

    def __call__(self, image: Image, crop: CropTransform) -> Look:
        """Give the landmarks in frame pixels, the presence, and the uncertainty of a model that tells it."""
        start = time.perf_counter_ns()
        picture = crop.warp(image)
        self.crop_ns += time.perf_counter_ns() - start
        outputs = self._model.run(picture)
        points = crop.from_units(decode_landmarks(outputs["landmarks"], self.card))
        uncertainty = decode_uncertainty(outputs["uncertainty"], crop) if "uncertainty" in outputs else None
        return Look(points, float(outputs["presence"][0]), uncertainty)


def decode_landmarks(residual: NDArray[np.float32], card: ModelCard) -> Points:
    """Give points (N, 2) in crop units from the network's output (2N,): the residual to the mean shape."""
    assert card.mean_shape is not None
    return card.mean_shape + residual.reshape(-1, 2)


def decode_uncertainty(logarithm: NDArray[np.float32], crop: CropTransform) -> NDArray[np.float32]:
    """Give the expected distance of each point (N,) in frame pixels from the network's output: its logarithm in crop
    units.
    """  # noqa: D205
    return np.exp(logarithm) * np.float32(crop.side_px)
