"""The field's measures of landmark error."""

import numpy as np
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

STEP = 1e-4  # of the cumulative error curve; PIPNet, STAR and PFLD use the same
BOOTSTRAP_ROUNDS = 1000


def nme(predicted: NDArray[np.float32], truth: NDArray[np.float32], corners: tuple[int, int]) -> NDArray[np.float64]:
    """Give the normalised mean error (S,) of S faces, as a fraction of the distance between the eye corners.

    Args:
        predicted: (S, N, 2) pixels.
        truth: (S, N, 2) pixels. A point that is NaN in either does not count; a face without a point has NaN.
        corners: the two landmarks whose distance is the normaliser. Where one is not labelled the result is NaN.

    Source: 300-W; HRNet-Facial-Landmark-Detection, lib/core/evaluation.py, compute_nme.

    """
    distance = np.linalg.norm(truth[:, corners[0]] - truth[:, corners[1]], axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(mean_over_points(point_errors(predicted, truth)) / distance, dtype=np.float64)


def failure_rate(errors: NDArray[np.float64], threshold: float) -> float:
    """Give the share of faces whose NME exceeds ``threshold``; missed faces are infinite. NaN without faces."""
    return float((errors > threshold).mean()) if len(errors) else float("nan")


def auc(errors: NDArray[np.float64], threshold: float) -> float:
    """Give the area under the cumulative error curve up to ``threshold``, 1 is perfect. NaN without faces.

    Source: PIPNet, lib/functions.py, compute_fr_and_auc (Simpson's rule over steps of 1e-4).
    """
    if not len(errors):
        return float("nan")
    steps = round(threshold / STEP) + 1
    xs = np.arange(steps + (steps + 1) % 2) * STEP  # an odd count, as Simpson's rule wants
    ys = np.searchsorted(np.sort(errors), xs, side="right") / len(errors)
    area = STEP / 3 * (ys[0] + ys[-1] + 4 * ys[1:-1:2].sum() + 2 * ys[2:-1:2].sum())
    return float(area / threshold)


def point_errors(predicted: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the distance of each point (S, N) in pixels; NaN where it is not labelled."""
    return np.asarray(np.linalg.norm(predicted.astype(np.float64) - truth, axis=2), dtype=np.float64)


def normalisers(truth: NDArray[np.float32], schema: LandmarkSchema) -> dict[str, NDArray[np.float64]]:
    """Give by name what the field divides an error by (S,), in pixels; NaN where a point that it rests on is missing.

    ``inter_ocular``: between the outer eye corners (HRNet, 300-W since 2018). ``inter_pupil``: between the eyes'
    centres, where the schema says which points those are (all 300-W tables before; COFW). ``box_diagonal``: of the
    labelled points' tight box.
    """
    points = truth.astype(np.float64)
    right, left = schema.eye_corners
    found = {"inter_ocular": np.linalg.norm(points[:, right] - points[:, left], axis=1)}
    if schema.points5 is not None:
        eyes = [points[:, sorted(set(indices))].mean(axis=1) for indices in schema.points5[:2]]  # each point once
        found["inter_pupil"] = np.linalg.norm(eyes[0] - eyes[1], axis=1)
    known = np.isfinite(points).all(axis=2, keepdims=True)
    low = np.where(known, points, np.inf).min(axis=1)
    high = np.where(known, points, -np.inf).max(axis=1)
    found["box_diagonal"] = np.linalg.norm(high - low, axis=1)
    return found


def interval(values: NDArray[np.float64], seed: int = 1) -> tuple[float, float]:
    """Give the 95 % confidence interval of the mean of faces' values (S,), NaN without faces.

    Source: Efron 1979, the percentile bootstrap; 1,000 rounds.
    """
    if not len(values):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    even = np.full(len(values), 1 / len(values))
    means = [rng.multinomial(len(values), even) @ values / len(values) for _ in range(BOOTSTRAP_ROUNDS)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def mean_over_points(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean error (S,) over the points of each face that are labelled; NaN where none is."""
    known = np.isfinite(errors)
    counts = known.sum(axis=1)
    total = np.where(known, errors, 0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
