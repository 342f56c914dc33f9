"""How unusual a face's shape is: pose, expression and form together, so that hard faces can be drawn more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 0.5, 4.0


def hardness(residuals: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give each face's distance from the mean shape against the usual, within [0.5, 4]; 1 where nothing is labelled.

    Args:
        residuals: (F, R, 2) to the mean shape in crop units, NaN where a point is not labelled.

    """
    known = np.isfinite(residuals).any(axis=(1, 2))
    distances = np.ones(len(residuals))
    distances[known] = [np.sqrt(np.nanmean(r * r)) for r in residuals[known]]
    distances[known] /= max(float(np.median(distances[known])), 1e-9) if known.any() else 1.0
    return np.clip(distances, LEAST, MOST)
