"""The figure for unsteady landmarks, and the points that both landmark sets have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]  # (C, 2) pixels, in the order of COMMON

# Places that ibug68 and MediaPipe's face mesh both have: index in ibug68 -> index in the mesh, outer eye corners first.
# Source: figures of 300-W's mark-up and MediaPipe's canonical face model.
COMMON = {
    36: 33, 45: 263, 39: 133, 42: 362,  # eye corners
    27: 168, 30: 1, 33: 2,  # bridge, tip and base of the nose
    48: 61, 54: 291, 51: 0, 57: 17, 62: 13, 66: 14,  # corners and middle of the lips
    8: 152,  # chin
}  # fmt: skip
STEPS = (-1, 3, -3, 1)  # the third difference: 0 for a face that stands, moves steadily or gathers speed steadily


def jitter(points: Sequence[Points | None]) -> float | None:
    """Give the high-frequency motion of landmarks as a share of the eye distance, None without four faces in a row.

    It is the root mean square, over points and coordinates, of the third difference of four consecutive frames, divided
    by the distance of the outer eye corners, and by sqrt(20) so that white noise of s pixels in each coordinate of a
    face with an eye distance of d gives s / d. Windows in which a frame has no face are left out.

    Args:
        points: of each frame, None where no face was found.

    """
    nothing = np.full((len(COMMON), 2), np.nan, np.float32)
    track = np.array([nothing if p is None else p for p in points], np.float64).reshape(-1, len(COMMON), 2)
    windows = max(len(track) - len(STEPS) + 1, 0)
    third = sum(weight * track[i : i + windows] for i, weight in enumerate(STEPS))
    eyes = np.linalg.norm(track[1 : windows + 1, 0] - track[1 : windows + 1, 1], axis=1)
    shares = (third / eyes[:, None, None])[np.isfinite(third).all(axis=(1, 2))]
    return float(np.sqrt((shares**2).mean() / sum(w * w for w in STEPS))) if len(shares) else None
