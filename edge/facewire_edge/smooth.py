"""Still landmarks without lag: the One-Euro filter on all points of a track at once.

Source: Casiez, Roussel, Vogel 2012, "1 Euro Filter", CHI, section 3.
"""

from __future__ import annotations

from math import pi
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facewire_edge.types import Points

Turns = TypeVar("Turns", float, NDArray[np.floating[Any]])

# Speeds are in face sizes a second, so that one setting fits near and far faces. Measured on noise of 0.3 % of the face
# at 30 frames a second (2026-11-21): 11 % of it is left, and the points lag 1.5, 0.9, 0.4 frames behind a face that
# moves 0.5, 1, 3 % of itself a frame. Without NOISE_SPEED, the speed that noise alone seems to have, 24 % is left for
# lags of 1.3, 0.9, 0.4; MediaPipe's beta of 80 leaves 52 %.
MIN_CUTOFF_HZ = 0.05
BETA = 10.0
DERIVATIVE_CUTOFF_HZ = 1.0
NOISE_SPEED = 0.06


class OneEuro:
    """Smooth the points (N, 2) of one track; fast points follow at once, still ones stay."""

    def __init__(self, min_cutoff_hz: float = MIN_CUTOFF_HZ, beta: float = BETA) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._time_ns: int | None = None
        self._points = np.zeros((0, 2), np.float32)
        self._speed = np.zeros((0, 2), np.float32)  # face sizes a second

    def __call__(
        self, points: Points, time_ns: int, size_px: float, uncertainty: NDArray[np.float32] | None = None
    ) -> Points:
        """Give the smoothed points.

        Args:
            points: (N, 2) pixels.
            time_ns: capture time; a time that does not advance gives the last result again.
            size_px: of the face.
            uncertainty: (N,) of the points against each other, where the model tells it: of those less sure than
                most, more motion is taken for noise.

        """
        if self._time_ns is None:
            self._time_ns, self._points, self._speed = time_ns, points.copy(), np.zeros_like(points)
            return points
        dt = (time_ns - self._time_ns) / 1e9
        if dt <= 0:
            return self._points
        step = points - self._points
        speed = step / (max(size_px, 1.0) * dt)
        self._speed = self._speed + _weight(2 * pi * dt * DERIVATIVE_CUTOFF_HZ) * (speed - self._speed)
        moving = np.maximum(np.hypot(self._speed[:, :1], self._speed[:, 1:]) - _noise(uncertainty), 0)
        turns = (2 * pi * dt * self._beta) * moving + 2 * pi * dt * self._min_cutoff_hz
        self._points = self._points + _weight(turns) * step
        self._time_ns = time_ns
        return self._points


def _noise(uncertainty: NDArray[np.float32] | None) -> float | NDArray[np.float32]:
    """Give the speed (N, 1) that noise alone seems to give each point."""
    if uncertainty is None:
        return NOISE_SPEED
    ranked, n = np.sort(uncertainty), len(uncertainty)  # NumPy's median takes 35 us, this 2
    usual = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
    beside_usual: NDArray[np.float32] = np.maximum(uncertainty / usual, 1)
    return NOISE_SPEED * beside_usual[:, np.newaxis]


def _weight(turns: Turns) -> Turns:
    """Give the share of the new value that a low-pass filter takes whose cut-off turns so many radians a frame."""
    return turns / (1 + turns)
