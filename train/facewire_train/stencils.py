"""The texture's layout: the landmarks' places on it, hence the masks that are the same for everybody."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facewire_train.head import LATITUDES, LONGITUDES, landmark_places
from facewire_train.paint import Points, Stencil, ellipse, mask_of, ribbon, stencil

CELL = 5  # texture pixels a grid cell
UNIT = 105.0  # texture pixels of half a jaw width, on the front of the face
FACE_ROWS = (len(LATITUDES) - 1) * CELL + 1
COLUMNS = (len(LONGITUDES) - 1) * CELL + 1
LINE_SOFT = 0.6  # texture pixels


class EyeSocket(NamedTuple):
    """Hold what is painted around an eye, whether it is open or shut."""

    cheek: Stencil
    bag: Stencil
    socket: Stencil


class Eye(NamedTuple):
    """Hold the window of an eye and what is painted in it whether it is open or shut."""

    corner: tuple[int, int]  # x, y of the window's top left
    opening: NDArray[np.float32]  # (h, w) the window's cover by the eye
    shade: Stencil  # in the window: the upper lid's shade
    lower_lid: Stencil  # in the window
    fold: Stencil  # on the face, above the eye


class Mouth(NamedTuple):
    """Hold what is painted at the mouth, whether it is open or shut."""

    lips: Stencil
    upper: Stencil
    gloss: Stencil
    shade: Stencil
    inside: Stencil
    seam: Stencil


@cache
def texture_points() -> Points:
    """Give the landmarks' places (68, 2) on the texture: the same for everybody."""
    return np.asarray(landmark_places() * np.float32(CELL), dtype=np.float32)


def disc(centre: Points, half_width: float, half_height: float) -> Points:
    """Give an upright ellipse (24, 2)."""
    return ellipse(centre, np.array([half_width, 0], np.float32), np.array([0, half_height], np.float32))


def _cut(polygon: Points, soft_px: float) -> Stencil:
    return stencil((FACE_ROWS, COLUMNS), polygon.astype(np.float32), soft_px)


@cache
def eye_sockets() -> tuple[EyeSocket, EyeSocket]:
    """Give the right and the left."""
    p = texture_points()
    right, left = (_eye_socket(p[first : first + 6].mean(axis=0), side) for first, side in ((36, -1), (42, 1)))
    return right, left


def _eye_socket(eye: Points, side: int) -> EyeSocket:
    return EyeSocket(
        _cut(disc(eye + np.array([side * 8, 46], np.float32), 26, 20), 12),
        _cut(disc(eye + np.array([0, 14], np.float32), 17, 5), 4),
        _cut(disc(eye, 24, 13), 5),
    )


@cache
def eye(first: int) -> Eye:
    """Give the eye whose first landmark is ``first``."""
    lids = texture_points()[first : first + 6]
    low, high = np.floor(lids.min(axis=0)).astype(int) - 6, np.ceil(lids.max(axis=0)).astype(int) + 6
    shape, place = (high[1] - low[1], high[0] - low[0]), (lids - low).astype(np.float32)
    return Eye(
        (int(low[0]), int(low[1])),
        mask_of(shape, place, 0.5),
        stencil(shape, ribbon(place[:4] + np.array([0, 1], np.float32), 5), 1.5),
        stencil(shape, ribbon(place[[3, 4, 5, 0]], 2.0), 0.6),
        _cut(ribbon(lids[:4] - np.array([0, 8], np.float32), 3), LINE_SOFT),
    )


@cache
def tip_of_nose() -> Stencil:
    """Give what reddens with the cheeks."""
    return _cut(disc(texture_points()[30], 12, 9), 5)


@cache
def folds() -> tuple[Stencil, ...]:
    """Give the folds from nose to mouth."""
    p = texture_points()
    lines = [
        np.linspace(p[wing] + 0.3 * (p[wing] - p[33]), p[corner] + 0.18 * (p[corner] - p[51]), 5)
        for wing, corner in ((31, 48), (35, 54))
    ]
    return tuple(_cut(ribbon(fold.astype(np.float32), 6), 2) for fold in lines)


@cache
def forehead_lines() -> tuple[Stencil, ...]:
    """Give three wrinkles."""
    p = texture_points()
    brow = np.stack([p[18], p[20], (p[21] + p[22]) / 2, p[23], p[25]])
    return tuple(_cut(ribbon(brow - np.array([0, up], np.float32), 2.5), LINE_SOFT) for up in (22, 32, 42))


@cache
def nostrils() -> tuple[Stencil, ...]:
    """Give the nostrils."""
    p = texture_points()
    middles = [0.55 * p[a] + 0.45 * p[b] - np.array([0, 1.5], np.float32) for a, b in ((32, 31), (34, 35))]
    return tuple(_cut(disc(middle, 5.5, 2.8), 0.8) for middle in middles)


@cache
def wings() -> tuple[Stencil, ...]:
    """Give the creases beside the nose."""
    p = texture_points()
    lines = [np.linspace(p[k], p[k] + [(p[k] - p[33])[0] * 0.15, -10], 4) for k in (31, 35)]
    return tuple(_cut(ribbon(line, 3), LINE_SOFT) for line in lines)


@cache
def base_of_nose() -> Stencil:
    """Give the line from wing to wing."""
    return _cut(ribbon(texture_points()[31:36], 3.0), LINE_SOFT)


@cache
def mouth() -> Mouth:
    """Give the mouth."""
    p = texture_points()
    return Mouth(
        _cut(p[48:60], 0.8),
        _cut(p[[48, 49, 50, 51, 52, 53, 54, 64, 63, 62, 61, 60]], 0.6),
        _cut(disc(p[[56, 57, 58, 65, 66, 67]].mean(axis=0), 9, 2.5), 2),
        _cut(p[55:58] + np.array([0, 6], np.float32), 4),
        _cut(p[60:68], 0.5),
        _cut(ribbon(p[[60, 61, 62, 63, 64]], 2.5), LINE_SOFT),
    )


@cache
def beard() -> NDArray[np.float32]:
    """Give the cover (FACE_ROWS, COLUMNS) of a beard; not to be written to."""
    p = texture_points()
    low = np.array([0, 12], np.float32)
    under = np.concatenate([p[2:15], (p[2:15] + low)[::-1]])
    inside = [p[54] + 0.25 * (p[12] - p[54]), p[55], p[57], p[59], p[48] + 0.25 * (p[4] - p[48])]
    area = np.concatenate([p[2:15], np.array(inside)]).astype(np.float32)
    shape = (FACE_ROWS, COLUMNS)
    return np.maximum(mask_of(shape, area, 5), mask_of(shape, under.astype(np.float32), 4))


@cache
def moustache() -> NDArray[np.float32]:
    """Give the cover (FACE_ROWS, COLUMNS) of a moustache; not to be written to."""
    p = texture_points()
    area = np.stack([p[48], p[31] + [2, 7], p[33] + [0, 8], p[35] + [-2, 7], p[54], p[52], p[51], p[50]])
    return mask_of((FACE_ROWS, COLUMNS), area.astype(np.float32), 3)
