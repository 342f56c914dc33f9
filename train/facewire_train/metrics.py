"""The field's measures of landmark error."""

import numpy as np
from numpy.typing import NDArray

STEP = 1e-4  # of the cumulative error curve; PIPNet, STAR and PFLD use the same


def nme(predicted: NDArray[np.float32], truth: NDArray[np.float32], corners: tuple[int, int]) -> NDArray[np.float64]:
    """Give the normalised mean error (S,) of S faces, as a fraction of the distance between the eye corners.

    Args:
        predicted: (S, N, 2) pixels.
        truth: (S, N, 2) pixels, NaN where unlabelled; such points do not count.
        corners: the two landmarks whose distance is the normaliser. Where one is not labelled the result is NaN.

    Source: 300-W; HRNet-Facial-Landmark-Detection, lib/core/evaluation.py, compute_nme.

    """
    distance = np.linalg.norm(truth[:, corners[0]] - truth[:, corners[1]], axis=1).astype(np.float64)
    error = np.linalg.norm(predicted.astype(np.float64) - truth, axis=2)
    counts = np.isfinite(error).sum(axis=1)
    total = np.where(np.isfinite(truth).all(axis=2), error, 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / np.maximum(counts, 1) / distance, dtype=np.float64)


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
