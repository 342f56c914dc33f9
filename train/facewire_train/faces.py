"""One box convention for all sets: forehead to chin, ear to ear, as WIDER FACE draws it."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from facewire_edge.geometry import Box, CropTransform
from numpy.typing import NDArray

from facewire_train.datasets import Sample

# Mean of ibug68's 2,236 faces in the canonical crop (margin 1.25), crop units; order of the points5 schema.
MEAN_POINTS5 = np.array(
    [[0.3248, 0.2431], [0.6752, 0.2431], [0.5, 0.4402], [0.3461, 0.6171], [0.6539, 0.6171]], dtype=np.float32
)
# Medians over 1,544 WIDER faces of 25 px or more, levelled within 20 degrees, in units of the canonical crop's side:
# the box's centre below the crop's centre, its width and height. Quartiles: -0.17 to -0.11, 0.77 to 0.87, 1.00 to 1.16.
CENTRE_DOWN, WIDTH, HEIGHT = -0.141, 0.813, 1.073


def face_box(sample: Sample) -> Box:
    """Give a face's box in the convention; from its five points, or as the set draws it where they are not known."""
    if sample.source == "wider" or sample.points5 is None or np.isfinite(sample.points5).all(axis=1).sum() < 3:
        return sample.box
    return box_of_points5(sample.points5)


def box_of_points5(points5: NDArray[np.float32]) -> Box:
    """Give the face box of five points (5, 2), NaN where unknown."""
    crop = CropTransform.from_points5(points5, MEAN_POINTS5, 1)
    x = crop.x - sin(crop.angle_rad) * CENTRE_DOWN * crop.side_px
    y = crop.y + cos(crop.angle_rad) * CENTRE_DOWN * crop.side_px
    w, h = WIDTH * crop.side_px / 2, HEIGHT * crop.side_px / 2
    return Box(x - w, y - h, x + w, y + h)
