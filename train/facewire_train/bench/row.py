"""A row of the comparison: both sides' figures and their ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Row = dict[str, float]  # facewire, mediapipe, ratio


def compared(ours: Sequence[float], theirs: Sequence[float]) -> Row:
    """Give both medians, and the median ratio of what was measured side by side."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.median(np.divide(ours, theirs))
    return {"facewire": float(np.median(ours)), "mediapipe": float(np.median(theirs)), "ratio": float(ratio)}
