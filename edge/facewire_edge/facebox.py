"""The box convention of all detectors, forehead to chin and ear to ear, from and to the five points of a face."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from facewire_edge.geometry import Box, CropTransform

# Mean of ibug68's 2,236 faces in the canonical crop (margin 1.25), crop units; order of the points5 schema.
MEAN_POINTS5 = np.array(
    [[0.3248, 0.2431], [0.6752, 0.2431], [0.5, 0.4402], [0.3461, 0.6171], [0.6539, 0.6171]], dtype=np.float32
)
# Medians over 1,544 WIDER faces of 25 px or more, levelled within 20 degrees, in units of the canonical crop's side:
# the box's centre below the crop's centre, its width and height. Quartiles: -0.17 to -0.11, 0.77 to 0.87, 1.00 to 1.16.
CENTRE_DOWN, WIDTH, HEIGHT = -0.141, 0.813, 1.073


def box_of_points5(points5: NDArray[np.float32]) -> Box:
    """Give the face box of five points (5, 2), NaN where unknown."""
    crop = CropTransform.from_points5(points5, MEAN_POINTS5, 1)
    x = crop.x - sin(crop.angle_rad) * CENTRE_DOWN * crop.side_px
    y = crop.y + cos(crop.angle_rad) * CENTRE_DOWN * crop.side_px
    w, h = WIDTH * crop.side_px / 2, HEIGHT * crop.side_px / 2
    return Box(x - w, y - h, x + w, y + h)


def points5_of_box(box: Box) -> NDArray[np.float32]:
    """Give where the five points (5, 2) of an upright, frontal face in this box would be."""
    side = float(np.sqrt(box.width * box.height / (WIDTH * HEIGHT)))
    x, y = box.centre
    return CropTransform(x, y - CENTRE_DOWN * side, side, 0.0, 1).from_units(MEAN_POINTS5)
