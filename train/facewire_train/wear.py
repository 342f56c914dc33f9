"""What a person wears over face and head, as covers of the texture: masks, caps, hats, scarves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.head import LATITUDES, column_of, row_of
from facewire_train.paint import Colour, Picture, Points, blend, mask_of, noise
from facewire_train.texture import CELL, FINE, Sheet, face_shape, latitudes, longitudes, texture_points

Array = NDArray[np.float32]

MASKED, HATTED = 0.06, 0.12  # shares of people
HEADWEAR = ("peaked", "brimmed", "scarf")
HEADWEAR_SHARES = (0.4, 0.25, 0.35)
MASK_COLOURS = np.array([[150, 190, 215], [236, 238, 238], [34, 34, 38], [170, 208, 192], [205, 190, 214]], float)
# Where a hat ends: degrees up at degrees from the front. By eye.
RIM_LONGITUDE, RIM_LATITUDE = (0, 50, 90, 180), (46, 38, 22, 12)
THICKNESS = {"peaked": 0.16, "brimmed": 0.2, "scarf": 0.1}  # half jaw widths
CROWN = {"peaked": 0.0, "brimmed": 0.22, "scarf": 0.0}  # that the top is higher by
MASK_LIFT, MASK_STIFFNESS = 0.1, 3.2  # half jaw widths off the face; cells over which the cloth cannot bend
SHADOW = 0.35  # that a brim casts on the forehead
PEAK = 58.0  # a peak reaches to so many degrees from the front
BRIM_ROWS, BRIM_COLUMNS, PEAK_COLUMNS = 6, 73, 33
BRIM_SMOOTH = 2.0  # columns
RIM_TUCK = 2.0  # degrees above the rim where a brim begins, where the cloth is at its full thickness


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """Hold what somebody wears."""

    mask: Colour | None
    headwear: str  # one of HEADWEAR, or nothing
    cloth: Colour
    reach: float  # of a brim, half jaw widths


class Brim(NamedTuple):
    """Hold a brim's grid."""

    places: Array  # (BRIM_ROWS, columns, 3) before the head turns
    texture: Array  # (BRIM_ROWS, columns, 2)


NOTHING = Worn(None, "", np.zeros(3), 0.0)


def wear_of(rng: np.random.Generator) -> Worn:
    """Give what a person wears; mostly nothing."""
    masked, hatted = rng.random() < MASKED, rng.random() < HATTED
    return Worn(
        MASK_COLOURS[rng.integers(len(MASK_COLOURS))] * rng.uniform(0.85, 1.05) if masked else None,
        str(rng.choice(HEADWEAR, p=HEADWEAR_SHARES)) if hatted else "",
        (rng.uniform(15, 235) + rng.normal(0, 30, 3)).clip(8, 248),
        float(rng.uniform(0.4, 0.8)),
    )


def hides(worn: Worn) -> NDArray[np.bool_]:
    """Say which landmarks (68,) lie under what is worn, whatever the pose."""
    x, y = np.round(texture_points()).astype(int).T
    hidden = np.zeros(len(x), np.bool_)
    for cover in covers(worn, CELL):
        hidden |= cover[y, x] > 0.5
    return hidden


def covers(worn: Worn, cell: int) -> list[Array]:
    """Give the covers (rows, columns), 0 to 1, of all that is worn, at ``cell`` places a grid cell."""
    mask = [mask_cover(cell)] if worn.mask is not None else []
    return mask + ([headwear_cover(worn.headwear, cell)] if worn.headwear else [])


@cache
def mask_cover(cell: int) -> Array:
    """Give a medical mask's cover: from the bridge of the nose to below the chin; not to be written to."""
    p = texture_points()
    right = [p[28] + [-5, 3], 0.5 * p[28] + 0.5 * p[2] + [4, -6], p[2] + [6, 4], p[3] + [-1, 0], p[4] + [-3, 4]]
    right += [p[5] + [-3, 10], p[6] + [-2, 14]]
    left = [p[28] + [5, 3], 0.5 * p[28] + 0.5 * p[14] + [-4, -6], p[14] + [-6, 4], p[13] + [1, 0], p[12] + [3, 4]]
    left += [p[11] + [3, 10], p[10] + [2, 14]]
    area = np.array([*right, p[8] + [0, 16], *left[::-1]], np.float32)
    return _cover(cell, area, 0.8)


def _cover(cell: int, area: Points, soft: float) -> Array:
    return mask_of(face_shape(cell), area * np.float32(cell / CELL), soft * cell / CELL)


@cache
def headwear_cover(kind: str, cell: int) -> Array:
    """Give the cover of a kind of ``HEADWEAR``; not to be written to."""
    if kind == "scarf":
        return np.asarray(1 - _cover(cell, _opening(), 1.0), dtype=np.float32)
    return np.asarray(np.clip((latitudes(cell)[:, None] - _rim(longitudes(cell))) / 2 + 0.5, 0, 1), dtype=np.float32)


def _rim(longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the rim's latitude: the smooth even curve through its four places."""
    waves, at = np.arange(len(RIM_LONGITUDE)), np.radians(RIM_LONGITUDE)
    strengths = np.linalg.solve(np.cos(np.outer(at, waves)), RIM_LATITUDE)
    return np.asarray(np.cos(np.multiply.outer(np.radians(longitude), waves)) @ strengths)


def _opening() -> Points:
    """Give the outline of the face that a scarf leaves free."""
    p = texture_points()
    jaw = p[2:15] + (p[2:15] - p[33]) * 0.03
    top = [(longitude, latitude) for longitude, latitude in ((52, 12), (46, 32), (30, 45), (0, 50))]
    right = [np.array([column_of(np.array(-x)), row_of(np.array(y))]) * CELL for x, y in top]
    left = [np.array([column_of(np.array(x)), row_of(np.array(y))]) * CELL for x, y in top[:3]]
    return np.array([*jaw, *left, *right[::-1]], np.float32)


def paint_mask(sheet: Sheet, worn: Worn, rng: np.random.Generator) -> None:
    """Paint a pleated mask and its straps to the ears, in place."""
    if worn.mask is None:
        return
    p = texture_points()
    for start, side, level in ((2, -1, -4), (4, -1, -22), (14, 1, -4), (12, 1, -22)):
        ear = np.array([column_of(np.array(side * 80.0)), row_of(np.array(float(level)))]) * CELL
        sheet.line(np.linspace(p[start], ear, 5).astype(np.float32), worn.mask * 0.9, 4.5)
    rows, columns = face_shape(sheet.cell)
    row = (np.arange(rows) / sheet.scale - p[29, 1]) / (p[8, 1] - p[29, 1])  # 0 at the nose, 1 at the chin
    pleats = sum(np.exp(-(((row - at) / 0.025) ** 2)) for at in (0.3, 0.5, 0.7))
    tone = (1 - 0.22 * pleats)[:, None] + 0.03 * noise(rng, (20, 30), rows, columns)
    _cloth(sheet.pixels, mask_cover(sheet.cell), worn.mask, tone)


def paint_headwear(sheet: Sheet, worn: Worn, rng: np.random.Generator) -> None:
    """Paint a hat or a scarf and its shadow, in place."""
    if not worn.headwear:
        return
    cover = headwear_cover(worn.headwear, sheet.cell)
    reach = 2 * round((7 if worn.headwear == "scarf" else 30) * sheet.scale) + 1
    blend(sheet.pixels, np.asarray(cv2.stackBlur(cover, (1, reach)), np.float32) * np.float32(SHADOW), np.zeros(3))
    grain = (14, 60) if worn.headwear == "scarf" else (60, 90)
    _cloth(sheet.pixels, cover, worn.cloth, 1 + 0.05 * noise(rng, grain, *cover.shape))


def _cloth(face: Picture, cover: Array, colour: Colour, tone: NDArray[np.floating]) -> None:
    flat = tone.astype(np.float32)
    blend(face, cover, np.asarray(cv2.merge([flat * np.float32(channel) for channel in colour]), np.float32))


def lifted(places: Array, normals: Array, worn: Worn) -> Array:
    """Give the head's grid (rows, columns, 3) with what is worn upon it."""
    if worn.mask is not None:
        cover = mask_cover(FINE)[::FINE, ::FINE, None]
        stiff = np.asarray(cv2.GaussianBlur(places, (0, 0), MASK_STIFFNESS), np.float32)
        places = np.asarray(places + cover * (stiff + MASK_LIFT * normals - places), dtype=np.float32)
    if worn.headwear:
        cover = headwear_cover(worn.headwear, FINE)[::FINE, ::FINE, None]
        top = np.clip(LATITUDES / 90, 0, 1)[:, None, None].astype(np.float32)
        rise = np.float32(THICKNESS[worn.headwear]) + np.float32(CROWN[worn.headwear]) * top
        places = np.asarray(places + cover * normals * rise, dtype=np.float32)
    return places


def brim(places: Array, worn: Worn) -> Brim:
    """Give the brim of a hat around the head's grid ``places`` (rows, columns, 3).

    It begins a little inside the hat, along a line as smooth as stiff cloth: hair does not dent it.
    """
    peaked = worn.headwear == "peaked"
    longitude = np.linspace(-PEAK, PEAK, PEAK_COLUMNS) if peaked else np.linspace(-180, 180, BRIM_COLUMNS)
    column, row = column_of(longitude).astype(np.float32), row_of(_rim(longitude) + RIM_TUCK).astype(np.float32)
    start = np.asarray(cv2.remap(places, column[None], row[None], cv2.INTER_LINEAR), np.float32)
    border = cv2.BORDER_REPLICATE if peaked else cv2.BORDER_REFLECT  # the head is alike on both sides of its back
    start = np.asarray(cv2.GaussianBlur(start, (0, 0), BRIM_SMOOTH, borderType=border), np.float32)
    reach = np.linspace(-0.15, 1, BRIM_ROWS)[:, None, None] * worn.reach
    grid = start + reach * _outward(worn.headwear, longitude)
    texture = np.empty((*grid.shape[:2], 2), np.float32)
    texture[..., 0], texture[..., 1] = column * CELL, row_of(np.array(75.0)) * CELL
    return Brim(grid.astype(np.float32), texture)


def _outward(kind: str, longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give where a brim runs to (columns, 3), of its reach: a peak forwards, a brim all round, both a little down."""
    angle = np.radians(longitude)
    if kind == "brimmed":
        return np.stack([np.sin(angle), np.full(len(angle), 0.18), np.cos(angle)], axis=1)
    length = np.sqrt(np.maximum(np.cos(angle * 90 / PEAK), 0))
    forwards = np.stack([0.25 * np.sin(angle), np.full(len(angle), 0.22), np.ones(len(angle))], axis=1)
    return np.asarray(length[:, None] * forwards)
