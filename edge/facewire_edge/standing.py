"""Notice a camera that gives the same picture again and again."""

from __future__ import annotations

import numpy as np

from facewire_edge.types import Image

ROW_STEP = 16  # every 16th row is compared first: 57 kB of 640x480, where a sensor's noise always shows
# A covered lens has noise, but a camera that clamps it to black gives equal pictures too, and they say nothing.
MIN_CONTRAST = 8  # of 255, between the darkest and the brightest value


class Standing:
    """Say for how long the same picture has come; remember the one that a new connection did not change."""

    def __init__(self) -> None:
        self._last: Image | None = None
        self._since_ns = 0

    def __call__(self, image: Image, time_ns: int) -> float:
        """Give the seconds since which this very picture comes; 0 for a new one, and for one without contrast."""
        if self._last is None or not _same(image, self._last):
            self._last, self._since_ns = image, time_ns
            return 0.0
        seconds = (time_ns - self._since_ns) / 1e9
        return seconds if int(image.max()) - int(image.min()) >= MIN_CONTRAST else 0.0


def _same(image: Image, other: Image) -> bool:
    if image.shape != other.shape or not np.array_equal(image[::ROW_STEP], other[::ROW_STEP]):
        return False
    return np.array_equal(image, other)
