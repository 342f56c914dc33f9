"""One box convention for all sets: forehead to chin, ear to ear, as WIDER FACE draws it."""

from __future__ import annotations

import numpy as np
from facewire_edge.facebox import box_of_points5
from facewire_edge.geometry import Box
from numpy.typing import NDArray

from facewire_train.datasets import Sample

FEWEST_OF_FIVE = 3  # points that tell a face's box


def face_box(sample: Sample) -> Box:
    """Give a face's box in the convention; from its five points, or as the set draws it where they are not known."""
    if sample.source == "wider" or sample.points5 is None or not tell_box(sample.points5):
        return sample.box
    return box_of_points5(sample.points5)


def tell_box(points5: NDArray[np.float32]) -> bool:
    """Say whether enough of the five points (5, 2) are known to tell a face's box."""
    return bool(np.isfinite(points5).all(axis=1).sum() >= FEWEST_OF_FIVE)
