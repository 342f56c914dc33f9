"""The texture of a head: its layout, the landmarks' places on it, painting in units of its own.

A texture unit is a fifth of a cell of the head's grid, however many pixels a cell has; pixel (0, 0) lies at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from facewire_train.head import LATITUDES, LONGITUDES, landmark_places
from facewire_train.paint import Colour, Picture, Points, Stencil, ellipse, lay, ribbon, stencil

CELL = 5  # units a grid cell
UNIT = 105.0  # units of half a jaw width, on the front of the face
FACE_HEIGHT, WIDTH = (len(LATITUDES) - 1) * CELL, (len(LONGITUDES) - 1) * CELL  # units
CLOTH_CELLS = 8  # below the head's: the clothes
FINE, COARSE = 5, 3  # pixels a cell
COARSE_UP_TO = 48.0  # pixels of half a jaw width, where the coarse texture has 1.3 pixels for each of the picture's


def pixels_a_cell(half_jaw_px: float) -> int:
    """Give the fineness of texture that a face of this size shows."""
    return COARSE if half_jaw_px <= COARSE_UP_TO else FINE


def face_shape(cell: int) -> tuple[int, int]:
    """Give rows and columns of the head's texture, of ``cell`` pixels a cell."""
    return (len(LATITUDES) - 1) * cell + 1, (len(LONGITUDES) - 1) * cell + 1


@cache
def texture_points() -> Points:
    """Give the landmarks' places (68, 2) on the texture, in units: the same for everybody."""
    return np.asarray(landmark_places() * np.float32(CELL), dtype=np.float32)


@cache
def latitudes(cell: int) -> NDArray[np.float32]:
    """Give the degrees up of each row of the head's texture; not to be written to."""
    rows = np.arange(face_shape(cell)[0]) / cell
    return np.asarray(np.interp(rows, np.arange(len(LATITUDES)), LATITUDES), np.float32)


@cache
def longitudes(cell: int) -> NDArray[np.float64]:
    """Give the degrees from the front of each column of the texture; not to be written to."""
    return np.asarray(np.interp(np.arange(face_shape(cell)[1]) / cell, np.arange(len(LONGITUDES)), LONGITUDES))


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Paint on a texture, or on a window of one, in texture units."""

    pixels: Picture
    cell: int  # pixels a grid cell
    corner: tuple[int, int] = (0, 0)  # x, y of the window's first pixel on the texture

    @property
    def scale(self) -> float:
        """Give the pixels of a unit."""
        return self.cell / CELL

    def window(self, corner: tuple[int, int], shape: tuple[int, ...]) -> Sheet:
        """Give a view of a part whose first pixel is ``corner``."""
        x, y = corner
        return Sheet(self.pixels[y : y + shape[0], x : x + shape[1]], self.cell, corner)

    def to_pixels(self, points: Points) -> Points:
        """Give the pixels of the window where ``points`` lie."""
        return np.asarray(points * np.float32(self.scale) - np.array(self.corner, np.float32), np.float32)

    def stencil(self, polygon: Points, soft: float = 0.0) -> Stencil:
        """Give the cover of a polygon."""
        return stencil(self.pixels.shape, self.to_pixels(polygon), soft * self.scale)

    def fill(self, polygon: Points, colour: Colour, soft: float = 0.0, strength: float = 1.0) -> None:
        """Paint a polygon with a soft edge."""
        lay(self.pixels, self.stencil(polygon, soft), colour, strength)

    def line(self, points: Points, colour: Colour, width: float, strength: float = 1.0) -> None:
        """Paint a line as the polygon around it, thinner towards its ends."""
        self.fill(ribbon(points, width), colour, 0.6, strength)


def disc(centre: Points, half_width: float, half_height: float) -> Points:
    """Give an upright ellipse (24, 2)."""
    return ellipse(centre, np.array([half_width, 0], np.float32), np.array([0, half_height], np.float32))
