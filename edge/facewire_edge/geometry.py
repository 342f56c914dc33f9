"""Boxes and the one crop geometry that training, conversion and the device share.

Points are ``(N, 2)``, x then y, pixel centres at integers. *Crop units* run from 0 to 1 across the crop:
``u = (q + 0.5) / size`` for the crop pixel ``q``. A crop is a rotated square that is never clamped to its frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, exp, hypot, isfinite, log, sin

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Image = NDArray[np.uint8]

# A crop this many times larger than its output is halved first: bilinear sampling alone skips pixels (aliasing).
SHRINK_FROM = 2.0
GRID = 0.25  # crop pixels; see CropTransform.on_grid


@dataclass(frozen=True, slots=True)
class Box:
    """Hold an axis-aligned box in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def around(cls, points: Points | NDArray[np.float64]) -> Box:
        """Give the tight box of ``points`` (N, 2), NaN left out."""
        rows = np.ascontiguousarray(points.T)  # NumPy reduces along the last axis faster
        return cls(*np.fmin.reduce(rows, axis=1).tolist(), *np.fmax.reduce(rows, axis=1).tolist())

    @property
    def width(self) -> float:
        """Give the width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Give the height in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Give the area in square pixels, 0 for an inverted box."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """Give the centre (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def iou(self, other: Box) -> float:
        """Give the intersection over union with ``other``, 0 where both are empty."""
        overlap = Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))
        union = self.area + other.area - overlap.area
        return overlap.area / union if union > 0 else 0.0

    def scaled(self, factor_x: float, factor_y: float | None = None) -> Box:
        """Give the box in the coordinates of an image resized by the factors, about the pixel grid's corner."""
        factor_y = factor_x if factor_y is None else factor_y
        x0, y0, x1, y1 = self.x0 + 0.5, self.y0 + 0.5, self.x1 + 0.5, self.y1 + 0.5
        return Box(x0 * factor_x - 0.5, y0 * factor_y - 0.5, x1 * factor_x - 0.5, y1 * factor_y - 0.5)


@dataclass(frozen=True, slots=True)
class CropTransform:
    """Map between frame pixels and the pixels of a rotated square crop of ``size`` x ``size``."""

    x: float  # centre, frame pixels
    y: float
    side_px: float  # side of the square in the frame
    angle_rad: float  # of the crop's x axis in the frame; > 0 clockwise on the screen
    size: int

    @classmethod
    def from_box(cls, box: Box, size: int, margin: float = 1.25) -> CropTransform:
        """Take the square around ``box``, upright, its side ``margin`` times the longer side of the box."""
        x, y = box.centre
        return cls(x, y, max(box.width, box.height, 1.0) * margin, 0.0, size)

    @classmethod
    def from_points5(cls, points5: Points, mean_points5: Points, size: int) -> CropTransform:
        """Take the canonical crop of five detected points; see :meth:`from_landmarks`."""
        return cls.from_landmarks(points5, mean_points5, size)

    @classmethod
    def from_landmarks(cls, points: Points, mean_shape: Points, size: int) -> CropTransform:
        """Take the canonical crop: the least-squares similarity of the mean shape to the points.

        Args:
            points: (N, 2) frame pixels; entries that are not finite are left out (at least two must be finite).
            mean_shape: (N, 2) crop units.
            size: side of the crop in its own pixels.

        """
        known = np.isfinite(points).all(axis=1)
        return ShapeFit(mean_shape[known], size).of_finite(points[known])

    def on_grid(self) -> CropTransform:
        """Round place, side and angle to steps that move the crop's edges by ``GRID`` crop pixels.

        A loop crops by its own last landmarks. Where one processor rounds one point by a step of the output otherwise
        than another, the crop after it is the same again; without the grid the two part for good: in 120 frames with
        such a step in every hundredth, by up to 0.22 px on average over a face, with it by 0.01. The points of a still
        face shake no more for it (2026-11-22).
        """
        turn = 2 * GRID / self.size
        side_px = exp(round(log(self.side_px) / turn) * turn)
        step = GRID * side_px / self.size
        x, y, angle = round(self.x / step) * step, round(self.y / step) * step, round(self.angle_rad / turn) * turn
        return CropTransform(x, y, side_px, angle, self.size)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Give the affine map (2, 3) from frame pixels to crop pixels."""
        scale = self.size / self.side_px
        c, s = scale * cos(self.angle_rad), scale * sin(self.angle_rad)
        half = (self.size - 1) / 2
        return np.array(
            [[c, s, half - c * self.x - s * self.y], [-s, c, half + s * self.x - c * self.y]], dtype=np.float64
        )

    def to_crop(self, points: Points) -> Points:
        """Map frame pixels (N, 2) to crop pixels (N, 2)."""
        matrix = self.matrix
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)

    def to_frame(self, points: Points) -> Points:
        """Map crop pixels (N, 2) to frame pixels (N, 2)."""
        return self._placed(points, self.side_px / self.size, (self.size - 1) / 2)

    def to_units(self, points: Points) -> Points:
        """Map frame pixels (N, 2) to crop units (N, 2)."""
        return np.asarray((self.to_crop(points) + np.float32(0.5)) / np.float32(self.size), dtype=np.float32)

    def from_units(self, points: Points) -> Points:
        """Map crop units (N, 2) to frame pixels (N, 2)."""
        return self._placed(points, self.side_px, 0.5)

    def _placed(self, points: Points, scale: float, middle: float) -> Points:
        """Scale and turn points (N, 2) about (middle, middle), which goes to the crop's centre.

        As complex numbers x + iy that is a product and a sum, in a third of a matrix's time (2026-11-21).
        """
        turn = complex(scale * cos(self.angle_rad), scale * sin(self.angle_rad))
        offset = complex(self.x, self.y) - turn * complex(middle, middle)
        flat = np.ascontiguousarray(points, dtype=np.float32).view(np.complex64)
        return np.asarray(flat * turn + offset, dtype=np.complex64).view(np.float32)

    def warp(self, image: Image) -> Image:
        """Sample the crop (size, size, 3) from ``image``; what lies outside the frame is black."""
        import cv2

        part, crop = self._surroundings(image)
        if 0 in part.shape:
            return np.zeros((self.size, self.size, 3), np.uint8)
        part = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)  # OpenCV 5 samples four channels in 0.4 of the time of three
        sampled = cv2.warpAffine(part, crop.matrix, (self.size, self.size), flags=cv2.INTER_LINEAR)
        return np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGBA2RGB), dtype=np.uint8)

    def _surroundings(self, image: Image) -> tuple[Image, CropTransform]:
        """Give what lies around the crop, halved until sampling skips no pixel, and the crop within it."""
        reach = self.side_px * ((abs(cos(self.angle_rad)) + abs(sin(self.angle_rad))) / 2 + 2 / self.size)
        x0, y0 = max(0, int(self.x - reach)), max(0, int(self.y - reach))
        x1, y1 = max(0, int(self.x + reach) + 1), max(0, int(self.y + reach) + 1)
        part, x, y, side_px = image[y0:y1, x0:x1], self.x - x0, self.y - y0, self.side_px
        while side_px >= SHRINK_FROM * self.size and part.size:
            part, x, y, side_px = halved(part), (x - 0.5) / 2, (y - 0.5) / 2, side_px / 2
        return part, CropTransform(x, y, side_px, self.angle_rad, self.size)


class ShapeFit:
    """Give the canonical crop of landmarks, frame after frame: what depends on the mean shape alone is done once.

    Source: Umeyama 1991, "Least-squares estimation of transformation parameters", closed form in two dimensions. It is
    linear in the points: four rows (4, 2N) give scale * cos, scale * sin and the crop's centre.
    """

    def __init__(self, mean_shape: Points, size: int) -> None:
        self._mean_shape, self._size = mean_shape, size
        centre = mean_shape.astype(np.float64).mean(axis=0)
        x, y = s = (mean_shape - centre).T
        spread = max(float((s * s).sum()), 1e-12)
        cosine, sine = np.stack([x, y], 1).reshape(-1) / spread, np.stack([-y, x], 1).reshape(-1) / spread
        mean_x, mean_y = np.tile([1, 0], len(x)) / len(x), np.tile([0, 1], len(x)) / len(x)
        dx, dy = 0.5 - centre
        self._rows = np.stack([cosine, sine, mean_x + dx * cosine - dy * sine, mean_y + dx * sine + dy * cosine])

    def __call__(self, points: Points) -> CropTransform:
        """Give the crop of points (N, 2) in frame pixels; NaN entries are left out."""
        crop = self.of_finite(points)
        if isfinite(crop.x + crop.y):
            return crop
        return CropTransform.from_landmarks(points, self._mean_shape, self._size)

    def of_finite(self, points: Points) -> CropTransform:
        """Give the crop of points (N, 2), all of them finite."""
        a, b, x, y = self._rows.dot(points.reshape(-1)).tolist()  # `@` takes half as long again
        return CropTransform(x, y, max(hypot(a, b), 1.0), atan2(b, a), self._size)


def halved(image: Image) -> Image:
    """Average an image down to half its width and height, an odd last column or row left out."""
    import cv2

    height, width = max(1, image.shape[0] // 2), max(1, image.shape[1] // 2)
    small: Image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return small
