"""The masks of the texture that are the same for everybody, by its pixels a cell; made once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facewire_train.paint import Points, Stencil, mask_of, ribbon, stencil
from facewire_train.texture import CELL, disc, face_shape, texture_points

LINE_SOFT = 0.6  # texture units


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


def _cut(cell: int, polygon: Points, soft: float) -> Stencil:
    scale = cell / CELL
    return stencil(face_shape(cell), (polygon * scale).astype(np.float32), soft * scale)


def _cover(cell: int, polygon: Points, soft: float) -> NDArray[np.float32]:
    scale = cell / CELL
    return mask_of(face_shape(cell), (polygon * scale).astype(np.float32), soft * scale)


@cache
def eye_sockets(cell: int) -> tuple[EyeSocket, EyeSocket]:
    """Give the right and the left."""
    p = texture_points()
    right, left = (_eye_socket(cell, p[first : first + 6].mean(axis=0), side) for first, side in ((36, -1), (42, 1)))
    return right, left


def _eye_socket(cell: int, eye: Points, side: int) -> EyeSocket:
    return EyeSocket(
        _cut(cell, disc(eye + np.array([side * 8, 46], np.float32), 26, 20), 12),
        _cut(cell, disc(eye + np.array([0, 14], np.float32), 17, 5), 4),
        _cut(cell, disc(eye, 24, 13), 5),
    )


@cache
def eye(cell: int, first: int) -> Eye:
    """Give the eye whose first landmark is ``first``."""
    scale = np.float32(cell / CELL)
    lids = texture_points()[first : first + 6]
    low = np.floor(lids.min(axis=0) * scale - 6 * scale).astype(int)
    high = np.ceil(lids.max(axis=0) * scale + 6 * scale).astype(int)
    shape = (high[1] - low[1], high[0] - low[0])

    def cut(polygon: Points, soft: float) -> Stencil:
        return stencil(shape, (polygon * scale - low).astype(np.float32), soft * float(scale))

    return Eye(
        (int(low[0]), int(low[1])),
        mask_of(shape, (lids * scale - low).astype(np.float32), 0.5),
        cut(ribbon(lids[:4] + np.array([0, 1], np.float32), 5), 1.5),
        cut(ribbon(lids[[3, 4, 5, 0]], 2.0), LINE_SOFT),
        _cut(cell, ribbon(lids[:4] - np.array([0, 8], np.float32), 3), LINE_SOFT),
    )


@cache
def tip_of_nose(cell: int) -> Stencil:
    """Give what reddens with the cheeks."""
    return _cut(cell, disc(texture_points()[30], 12, 9), 5)


@cache
def folds(cell: int) -> tuple[Stencil, ...]:
    """Give the folds from nose to mouth."""
    p = texture_points()
    lines = [
        np.linspace(p[wing] + 0.3 * (p[wing] - p[33]), p[corner] + 0.18 * (p[corner] - p[51]), 5)
        for wing, corner in ((31, 48), (35, 54))
    ]
    return tuple(_cut(cell, ribbon(fold.astype(np.float32), 6), 2) for fold in lines)


@cache
def forehead_lines(cell: int) -> tuple[Stencil, ...]:
    """Give three wrinkles."""
    p = texture_points()
    brow = np.stack([p[18], p[20], (p[21] + p[22]) / 2, p[23], p[25]])
    return tuple(_cut(cell, ribbon(brow - np.array([0, up], np.float32), 2.5), LINE_SOFT) for up in (22, 32, 42))


@cache
def nostrils(cell: int) -> tuple[Stencil, ...]:
    """Give the nostrils."""
    p = texture_points()
    middles = [0.55 * p[a] + 0.45 * p[b] - np.array([0, 1.5], np.float32) for a, b in ((32, 31), (34, 35))]
    return tuple(_cut(cell, disc(middle, 5.5, 2.8), 0.8) for middle in middles)


@cache
def wings(cell: int) -> tuple[Stencil, ...]:
    """Give the creases beside the nose."""
    p = texture_points()
    lines = [np.linspace(p[k], p[k] + [(p[k] - p[33])[0] * 0.15, -10], 4) for k in (31, 35)]
    return tuple(_cut(cell, ribbon(line, 3), LINE_SOFT) for line in lines)


@cache
def base_of_nose(cell: int) -> Stencil:
    """Give the line from wing to wing."""
    return _cut(cell, ribbon(texture_points()[31:36], 3.0), LINE_SOFT)


@cache
def mouth(cell: int) -> Mouth:
    """Give the mouth."""
    p = texture_points()
    return Mouth(
        _cut(cell, p[48:60], 0.8),
        _cut(cell, p[[48, 49, 50, 51, 52, 53, 54, 64, 63, 62, 61, 60]], 0.6),
        _cut(cell, disc(p[[56, 57, 58, 65, 66, 67]].mean(axis=0), 9, 2.5), 2),
        _cut(cell, p[55:58] + np.array([0, 6], np.float32), 4),
        _cut(cell, p[60:68], 0.5),
        _cut(cell, ribbon(p[[60, 61, 62, 63, 64]], 2.5), LINE_SOFT),
    )


@cache
def beard(cell: int) -> NDArray[np.float32]:
    """Give the cover (rows, columns) of a beard; not to be written to."""
    p = texture_points()
    low = np.array([0, 12], np.float32)
    under = np.concatenate([p[2:15], (p[2:15] + low)[::-1]])
    inside = [p[54] + 0.25 * (p[12] - p[54]), p[55], p[57], p[59], p[48] + 0.25 * (p[4] - p[48])]
    area = np.concatenate([p[2:15], np.array(inside)]).astype(np.float32)
    return np.maximum(_cover(cell, area, 5), _cover(cell, under, 4))


@cache
def moustache(cell: int) -> NDArray[np.float32]:
    """Give the cover (rows, columns) of a moustache; not to be written to."""
    p = texture_points()
    area = np.stack([p[48], p[31] + [2, 7], p[33] + [0, 8], p[35] + [-2, 7], p[54], p[52], p[51], p[50]])
    return _cover(cell, area, 3)
