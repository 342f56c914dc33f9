"""The ways in which the labelled faces of a set differ, and how far a face is from all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

from facewire_train.labels import labelled_points
from facewire_train.shapes import mean_shape

MARGIN = 1.25  # of the crop that the mean stands in; as landmark models have it
MOST_FACES = 3000  # that the model is made of; more change its modes by less than their own spread
EXPLAINED = 0.95  # share of the variance that the kept modes explain
MOST_MODES = 25
ROUNDS = 8  # of filling the gaps from the modes; the modes then move by less than 1 %
NOISE = 0.01  # of the crop: how loosely points are labelled


@dataclass(frozen=True, slots=True, eq=False)
class ShapeModel:
    """Hold a mean shape and its main modes, in units of the canonical crop."""

    mean: NDArray[np.float32]  # (N, 2)
    modes: NDArray[np.float64]  # (K, 2 N), orthonormal
    deviations: NDArray[np.float64]  # (K,) standard deviation along each mode
    explained: NDArray[np.float64]  # (K,) share of the variance

    def residuals(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give each point's distance (S, N) from the nearest likely shape, in crop units; NaN where unlabelled."""
        shapes = aligned(points, self.mean) - self.mean
        flat = shapes.reshape(len(points), -1).astype(np.float64)
        fitted = _fitted(flat, self.modes, self.deviations)
        return np.asarray(np.linalg.norm((flat - fitted).reshape(shapes.shape), axis=2))

    def oddness(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give each face's (S,) root mean square residual, in crop units; NaN where fewer than two are labelled."""
        residuals = self.residuals(points)
        counts = np.isfinite(residuals).sum(axis=1)
        total = np.where(np.isfinite(residuals), residuals**2, 0).sum(axis=1)
        return np.where(counts > 1, np.sqrt(total / np.maximum(counts, 1)), np.nan)


def shape_model(points: NDArray[np.float32], schema: LandmarkSchema) -> ShapeModel:
    """Make the model of labelled faces (S, N, 2), NaN where unlabelled.

    Gaps are filled by the modes found so far, which are then found again.

    Raises:
        DataError: a point is labelled in no face.

    """
    usable = points[labelled_points(points).sum(axis=1) > 1]
    usable = usable[:: max(1, len(usable) // MOST_FACES)]
    mean = mean_shape(list(usable), schema, MARGIN)
    flat = (aligned(usable, mean) - mean).reshape(len(usable), -1).astype(np.float64)
    known = np.isfinite(flat)
    filled = np.where(known, flat, 0.0)
    for _ in range(1 if known.all() else ROUNDS):
        modes, deviations, explained = _principal(filled)
        filled = np.where(known, flat, _fitted(flat, modes, deviations))
    return ShapeModel(mean, modes, deviations, explained)


def aligned(points: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring shapes (S, N, 2) into the canonical crop: crop units, NaN where unlabelled.

    The least-squares similarity of :meth:`facewire_edge.geometry.CropTransform.from_landmarks`, for all at once.
    """
    known = labelled_points(points)
    place = np.where(known, points[..., 0] + 1j * points[..., 1], 0)
    target = np.where(known, mean[:, 0] + 1j * mean[:, 1], 0)
    counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
    middle, target_middle = (v.sum(axis=1, keepdims=True) / counts for v in (place, target))
    centred, target_centred = (np.where(known, v - m, 0) for v, m in ((place, middle), (target, target_middle)))
    spread = np.maximum((np.abs(target_centred) ** 2).sum(axis=1, keepdims=True), 1e-12)
    turn = (target_centred.conj() * centred).sum(axis=1, keepdims=True) / spread  # scale and angle, crop to image
    turn = np.where(np.abs(turn) < 1e-9, 1e-9, turn)
    units = (points[..., 0] + 1j * points[..., 1] - middle) / turn + target_middle
    return np.stack([units.real, units.imag], axis=-1).astype(np.float32)


def swapped(points: NDArray[np.float32], schema: LandmarkSchema, mean: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say of each face (S,) whether it looks like one whose left and right were swapped."""
    plain = _distance(points, mean)
    other = _distance(points[:, schema.mirror], mean)
    return np.asarray(other < SWAP_RATIO * plain, dtype=np.bool_)


SWAP_RATIO = 0.5  # a face is nearer to the mean by this much when its names are swapped; real faces stay above 1


def _distance(points: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float64]:
    away = np.linalg.norm(aligned(points, mean) - mean, axis=2)
    counts = np.maximum(np.isfinite(away).sum(axis=1), 1)
    return np.asarray(np.nansum(away, axis=1) / counts, dtype=np.float64)


def _principal(
    flat: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give the main modes (K, 2 N) of deviations from the mean, their standard deviations and shares."""
    values, vectors = np.linalg.eigh(flat.T @ flat / max(len(flat), 1))
    order = np.argsort(values)[::-1]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    shares = values / max(values.sum(), 1e-12)
    count = min(MOST_MODES, int(np.searchsorted(np.cumsum(shares), EXPLAINED)) + 1, len(values))
    return vectors[:, :count].T, np.sqrt(values[:count]), shares[:count]


def _fitted(
    flat: NDArray[np.float64], modes: NDArray[np.float64], deviations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the likeliest shapes (S, 2 N) by what is known of each, with the modes' spread as the prior.

    Source: Tipping and Bishop 1999, "Probabilistic principal component analysis", the posterior mean.
    """
    prior = np.diag((NOISE / np.maximum(deviations, 1e-9)) ** 2)
    fitted = np.zeros_like(flat)
    for i, row in enumerate(flat):
        known = np.isfinite(row)
        part = modes[:, known]
        fitted[i] = np.linalg.solve(part @ part.T + prior, part @ row[known]) @ modes
    return fitted
