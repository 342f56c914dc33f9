"""How far eyes and mouth are open, from the landmarks, and whether the eyes blink.

Source: Soukupova and Cech 2016, "Real-time eye blink detection using facial landmarks", section 2: lid distance by
the eye's width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire_edge.schema import LandmarkSchema, map_to_ibug68
from facewire_edge.types import Openness, Points

# Of ibug68: two corners, then pairs of upper and lower points.
RIGHT_EYE = ((36, 39), (37, 41), (38, 40))
LEFT_EYE = ((42, 45), (43, 47), (44, 46))
MOUTH = ((60, 64), (61, 67), (62, 66), (63, 65))

# Shares of a face's own open eyes, which differ between people by a factor of two.
CLOSED_BELOW = 0.6
OPEN_ABOVE = 0.75  # apart, so that noise at the limit does not blink
LEARN = 0.02  # of a new frame in the open eyes' level: 50 frames, a blink takes 5 to 10


class FaceOpenness:
    """Measure landmarks of one schema."""

    def __init__(self, schema: LandmarkSchema) -> None:
        """Prepare the measurement.

        Raises:
            UsageError: the schema's points cannot be mapped to ibug68.

        """
        self._map = map_to_ibug68(schema, "blink")

    def __call__(self, points: Points) -> Openness:
        """Give how far eyes and mouth are open, of landmarks (N, 2) in pixels."""
        seen = np.einsum("dpn,nd->pd", self._map, points)
        return Openness(_openness(seen, RIGHT_EYE), _openness(seen, LEFT_EYE), _openness(seen, MOUTH))


class Blink:
    """Say for one face, frame by frame, whether its eyes are closed, against how it looks with open ones."""

    def __init__(self) -> None:
        self._open: float | None = None
        self._closed = False

    def __call__(self, found: Openness) -> bool:
        """Take the next frame in."""
        openness = (found.right_eye + found.left_eye) / 2
        if self._open is None:
            self._open = openness
        self._closed = openness < (OPEN_ABOVE if self._closed else CLOSED_BELOW) * self._open
        if not self._closed:
            self._open += LEARN * (openness - self._open)
        return self._closed


def _openness(points: NDArray[np.float32], pairs: tuple[tuple[int, int], ...]) -> float:
    width, *heights = (float(np.hypot(*(points[a] - points[b]))) for a, b in pairs)
    return sum(heights) / len(heights) / max(width, 1.0)
