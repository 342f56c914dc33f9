"""Notice where a video shows another scene."""

from __future__ import annotations

import numpy as np

from facewire_edge.types import Image

THUMBNAIL_ROWS = 16
GREEN = 1
# Difference of two thumbnails by their brightness: 0.7 to 0.8 at cuts in a dark hall, whose moving camera and waving
# hands stay below 0.4; other clips below 0.2 (2026-11-21).
CUT = 0.5
DARK = 32.0  # of 255: darker than this, noise and one lamp make such differences


class CutWatch:
    """Compare each frame with the one before."""

    def __init__(self) -> None:
        self._thumbnail, self._brightness = np.zeros((0, 0), np.uint8), 0.0

    def __call__(self, image: Image) -> bool:
        """Take the next frame in; say whether it is of another scene, or of another shape."""
        import cv2

        step = max(1, image.shape[0] // THUMBNAIL_ROWS)
        thumbnail = image[::step, ::step, GREEN].copy()
        before, self._thumbnail = self._thumbnail, thumbnail
        brightness, self._brightness = self._brightness, cv2.norm(thumbnail, cv2.NORM_L1)
        return before.shape != thumbnail.shape or (
            cv2.norm(thumbnail, before, cv2.NORM_L1) > CUT * max(brightness, DARK * before.size)
        )
