"""Still landmarks without lag: the One-Euro filter on all points of a track at once.

Source: Casiez, Roussel, Vogel 2012, "1 Euro Filter", CHI, section 3.
"""

from __future__ import annotations

from math import pi
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facewire_edge.types import Points

Units = NDArray[np.float32]  # (N,)
Turns = TypeVar("Turns", float, Units)

# Speeds are in face sizes a second, so that one setting fits near and far faces. Measured on noise of 0.3 % of the face
# at 30 frames a second (2026-11-21): 11 % of it is left, and the points lag 1.5, 0.9, 0.4 frames behind a face that
# moves 0.5, 1, 3 % of itself a frame. Without NOISE_SPEED, the speed that noise alone seems to have, 24 % is left for
# lags of 1.3, 0.9, 0.4; MediaPipe's beta of 80 leaves 52 %.
MIN_CUTOFF_HZ = 0.05
BETA = 10.0
DERIVATIVE_CUTOFF_HZ = 1.0
NOISE_SPEED = 0.06


class OneEuro:
    """Smooth the points (N, 2) of one track; fast points follow at once, still ones stay.

    Points are kept as complex numbers x + iy (N,): half of the array operations of pairs, 26 us a call instead of 40.
    """

    def __init__(self, min_cutoff_hz: float = MIN_CUTOFF_HZ, beta: float = BETA) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._time_ns: int | None = None
        self._points = np.zeros(0, np.complex64)
        self._speed = np.zeros(0, np.complex64)  # face sizes a second

    def __call__(self, points: Points, time_ns: int, size_px: float, uncertainty: Units | None = None) -> Points:
        """Give the smoothed points.

        Args:
            points: (N, 2) pixels.
            time_ns: capture time; a time that does not advance gives the last result again.
            size_px: of the face.
            uncertainty: (N,) of the points against each other, where the model tells it: of those less sure than
                most, more motion is taken for noise.

        """
        seen = np.ascontiguousarray(points, dtype=np.float32).view(np.complex64)[:, 0]
        if self._time_ns is None:
            self._time_ns, self._points, self._speed = time_ns, seen.copy(), np.zeros_like(seen)
        dt = (time_ns - self._time_ns) / 1e9
        if dt > 0:
            self._move(seen, dt, max(size_px, 1.0), _noise(uncertainty))
            self._time_ns = time_ns
        return self._points.view(np.float32).reshape(-1, 2)

    def _move(self, seen: NDArray[np.complex64], dt: float, size_px: float, noise: float | Units) -> None:
        """Follow the points seen (N,) ``dt`` seconds later."""
        step = seen - self._points
        speed = step * (1 / (size_px * dt))
        self._speed = self._speed + _weight(2 * pi * dt * DERIVATIVE_CUTOFF_HZ) * (speed - self._speed)
        moving: Units = np.maximum(np.abs(self._speed) - noise, 0)
        turns = moving * (2 * pi * dt * self._beta) + 2 * pi * dt * self._min_cutoff_hz
        self._points = self._points + _weight(turns) * step


def _noise(uncertainty: Units | None) -> float | Units:
    """Give the speed (N,) that noise alone seems to give each point."""
    if uncertainty is None:
        return NOISE_SPEED
    ranked, n = uncertainty.copy(), len(uncertainty)
    ranked.sort()  # NumPy's median takes 35 us, its sort twice as long as this
    usual = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
    noise: Units = np.maximum(uncertainty * (NOISE_SPEED / usual), NOISE_SPEED)
    return noise


def _weight(turns: Turns) -> Turns:
    """Give the share of the new value that a low-pass filter takes whose cut-off turns so many radians a frame."""
    return turns / (1 + turns)
