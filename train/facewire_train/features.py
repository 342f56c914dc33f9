"""Paint a face's features on the texture: nose, eyes, mouth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facewire_train import stencils
from facewire_train.head import mean_head
from facewire_train.look import Look
from facewire_train.paint import Colour, Points, blend, lay, ribbon
from facewire_train.texture import UNIT, Sheet, disc, texture_points

IRIS = 0.088  # radius in half jaw widths: 11.8 mm across, on a face 140 mm wide
LASH_INSIDE = 0.35  # share of the lashes' thickness by which they lie below the lid's landmarks
TEETH = 0.09  # of half a jaw width that shows below the upper lip


def paint_nose(sheet: Sheet, look: Look) -> None:
    """Paint nostrils and wings."""
    face, cell = sheet.pixels, sheet.cell
    for nostril, wing in zip(stencils.nostrils(cell), stencils.wings(cell), strict=True):
        lay(face, nostril, look.skin * 0.25, 0.85)
        lay(face, wing, look.skin * 0.5, 0.5)
    lay(face, stencils.base_of_nose(cell), look.skin * 0.4, 0.5)


def paint_eye(sheet: Sheet, lids_3d: NDArray[np.float32], first: int, look: Look, gaze: NDArray[np.float64]) -> None:
    """Paint an eye open as at rest; where its lids have closed, the surface squeezes it shut."""
    fixed = stencils.eye(sheet.cell, first)
    window = sheet.window(fixed.corner, fixed.opening.shape)
    place, at_rest = texture_points()[first : first + 6], mean_head()[first : first + 6]
    squeeze = _gap(lids_3d) / _gap(at_rest)
    white = np.broadcast_to(look.skin.astype(np.float32) * np.float32(0.3) + 145, window.pixels.shape).copy()
    eye = replace(window, pixels=white)
    radius, upright = IRIS * UNIT, IRIS * UNIT / max(squeeze, 0.05)
    centre = place.mean(axis=0) + gaze.astype(np.float32) * [8, 4 / max(squeeze, 0.3)] - [0, 0.12 * upright]
    _iris(eye, centre, radius, upright, look.iris)
    glint = disc(centre - [0.35 * radius, 0.35 * upright], 1.8, 1.8 / max(squeeze, 0.2))
    eye.fill(glint, np.full(3, 250.0), 0.6)
    lay(eye.pixels, fixed.shade, look.skin * 0.3, 0.4)
    blend(window.pixels, fixed.opening, eye.pixels)
    lashes = look.skin * (0.3 - 0.25 * look.makeup)
    thick = (2.5 + 3 * look.makeup) / max(squeeze, 0.4)
    window.fill(ribbon(place[:4] + np.array([0, LASH_INSIDE * thick], np.float32), thick), lashes, 0.6, 0.9)
    lay(window.pixels, fixed.lower_lid, look.skin * 0.45, 0.6)
    lay(sheet.pixels, fixed.fold, look.skin * 0.5, 0.45)


def _iris(eye: Sheet, centre: NDArray[np.floating], radius: float, upright: float, colour: Colour) -> None:
    """Paint dark edge, iris and pupil: discs of shares of the radius, from one table of distances."""
    h, w = eye.pixels.shape[:2]
    x, y = eye.to_pixels(centre.astype(np.float32))
    scale = np.float32(eye.scale)
    across = (np.arange(w, dtype=np.float32) - x) / (scale * np.float32(radius))
    down = (np.arange(h, dtype=np.float32) - y) / (scale * np.float32(upright))
    distance = np.sqrt(across**2 + (down**2)[:, None])
    for share, tone in ((1.0, colour * 0.6), (0.82, colour), (0.42, np.full(3, 8.0))):
        blend(eye.pixels, np.clip((share - distance) * np.float32(radius * scale) + 0.5, 0, 1), tone)


def _gap(lids: NDArray[np.float32]) -> float:
    return float(lids[4, 1] + lids[5, 1] - lids[1, 1] - lids[2, 1]) / 2


def paint_mouth(sheet: Sheet, p: Points, head: NDArray[np.float32], look: Look) -> None:
    """Paint lips, and teeth and tongue where they are open."""
    face, mouth = sheet.pixels, stencils.mouth(sheet.cell)
    lips = look.lips + look.makeup**2 * np.array([25.0, -30, -22])
    lay(face, mouth.lips, np.clip(lips, 0, 250), 0.85)
    lay(face, mouth.upper, np.clip(lips * 0.82, 0, 250), 0.8)
    lay(face, mouth.gloss, np.clip(lips * 1.2 + 10, 0, 255), 0.5)
    lay(face, mouth.shade, look.skin * 0.6, 0.5)
    lay(face, mouth.inside, np.array([48.0, 20, 20]))
    gap = float(head[66, 1] - head[62, 1])
    if gap > 0.03:
        _teeth(sheet, p[60:68], min(TEETH / gap, 0.75))
    lay(face, mouth.seam, lips * 0.35, 0.7)


def _teeth(sheet: Sheet, inner: Points, share: float) -> None:
    """Paint the upper teeth over ``share`` of the open mouth, then the tongue."""
    upper, lower = inner[:5], inner[[0, 7, 6, 5, 4]]
    corners = upper[[0, 4]] + 0.3 * (upper[[1, 3]] - upper[[0, 4]])
    row = np.concatenate([corners[:1], upper[1:4], corners[1:]])
    teeth = np.concatenate([row, (upper + share * (lower - upper))[3:0:-1]])
    sheet.fill(teeth.astype(np.float32), np.array([214.0, 206, 192]), 0.6, 0.9)
    tongue = (lower + 0.35 * (upper - lower))[1:4]
    sheet.fill(np.concatenate([tongue, lower[3:0:-1]]), np.array([130.0, 62, 62]), 1, 0.6)
