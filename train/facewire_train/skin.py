"""Paint a person's texture on the head's grid: skin and clothes, then all that lies upon the skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train import stencils
from facewire_train.features import paint_eye, paint_mouth, paint_nose
from facewire_train.hair import paint_beard, paint_brows, paint_hair
from facewire_train.look import Look
from facewire_train.paint import Picture, lay, noise
from facewire_train.texture import CLOTH_CELLS, Sheet, face_shape, texture_points
from facewire_train.wear import paint_headwear, paint_mask

MOLE, MOLE_SOFT = 1.5, 1.6  # radius in texture units; pixels over which its edge fades
_SPOT = np.indices((7, 7)).reshape(2, 1, -1)[::-1] - 3  # the pixels around a mole


def paint_face(look: Look, head: NDArray[np.float32], gaze: NDArray[np.float64], cell: int) -> Picture:
    """Give the texture of a face whose landmarks lie at ``head`` (68, 3), the clothes below it."""
    rng = np.random.default_rng(look.texture)
    p = texture_points()
    rows, columns = face_shape(cell)
    picture = np.empty((rows + CLOTH_CELLS * cell, columns, 3), np.float32)
    _clothes(Sheet(picture[rows:], cell), look, rng)
    face = Sheet(picture[:rows], cell)
    _skin(face, look, rng)
    paint_beard(face, look, rng)
    _wrinkles(face, look)
    paint_nose(face, look)
    for first in (36, 42):
        paint_eye(face, head[first : first + 6], first, look, gaze)
    paint_mouth(face, p, head, look)
    paint_brows(face, p, look, rng)
    paint_mask(face, look.worn, rng)
    if look.style != "bald":
        paint_hair(face, look, rng)
    paint_headwear(face, look.worn, rng)
    return picture


def _clothes(sheet: Sheet, look: Look, rng: np.random.Generator) -> None:
    cloth = sheet.pixels
    cloth[:] = look.clothes
    pattern = rng.integers(4)
    if pattern == 0:
        cloth[:, :: round(int(rng.integers(12, 30)) * sheet.scale)] = rng.uniform(0, 255, 3)
    elif pattern == 1:
        cloth[:: round(int(rng.integers(5, 12)) * sheet.scale)] *= np.float32(0.6)
    tone = 1 + np.float32(0.08) * noise(rng, (4, 20), *cloth.shape[:2])
    cloth *= cv2.merge([tone, tone, tone])
    cloth[: round(int(rng.integers(0, 8)) * sheet.scale)] *= np.float32(rng.uniform(0.5, 1.3))  # a collar


def _skin(sheet: Sheet, look: Look, rng: np.random.Generator) -> None:
    face, cell = sheet.pixels, sheet.cell
    tone = 0.03 * noise(rng, (10, 14), *face.shape[:2])
    tone += 0.035 * noise(rng, (130, 180), *face.shape[:2])
    cv2.merge([np.float32(channel) + tone * np.float32(channel) for channel in look.skin], face)
    red, dark = look.skin * [1.04, 0.84, 0.82], look.skin * [0.72, 0.66, 0.66]
    warmth = float(rng.uniform(0.15, 0.6))
    for eye in stencils.eye_sockets(cell):
        lay(face, eye.cheek, red, warmth)
        lay(face, eye.bag, dark, 0.3)
        lay(face, eye.socket, dark, 0.1 + 0.35 * look.makeup * float(rng.random()))
    lay(face, stencils.tip_of_nose(cell), red, warmth)
    _freckle(sheet, look, rng)


def _freckle(sheet: Sheet, look: Look, rng: np.random.Generator) -> None:
    """Paint moles and freckles, all at once: each a round spot of a few pixels."""
    jaw, count = texture_points()[:17], int(rng.integers(0, 4) ** 3)
    x, y, strength = rng.uniform([*jaw.min(axis=0), 0.1], [*jaw.max(axis=0), 0.6], (count, 3)).T[:, :, None]
    column, row = (np.round(a * sheet.scale).astype(int) + step for a, step in zip((x, y), _SPOT, strict=True))
    distance = np.hypot(column / sheet.scale - x, row / sheet.scale - y)
    cover = strength * np.clip((MOLE - distance) * sheet.scale / MOLE_SOFT + 0.5, 0, 1)
    here = sheet.pixels[row, column]
    sheet.pixels[row, column] = here + cover[..., None] * (look.skin * 0.6 - here)


def _wrinkles(sheet: Sheet, look: Look) -> None:
    dark = look.skin * 0.55
    for fold in stencils.folds(sheet.cell):
        lay(sheet.pixels, fold, dark, 0.15 + 0.35 * look.wrinkles)
    if look.wrinkles > 0.4:
        for wrinkle in stencils.forehead_lines(sheet.cell):
            lay(sheet.pixels, wrinkle, dark, 0.3 * look.wrinkles)
