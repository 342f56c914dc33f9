"""Paint hair, brows and beard on the texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train import stencils
from facewire_train.look import Look
from facewire_train.paint import Colour, Picture, Points, blend, mask_of, noise, smoothed
from facewire_train.texture import UNIT, Sheet, face_shape, latitudes, longitudes

BROW_GRAIN = (36, 90)  # height and width of a brow's window: a brow spans at most 18 by 75
BROW_PROFILE = np.array([0.25, 0.7, 0.95, 1.0, 0.8], np.float32)  # its height from the temple to the nose
# Where hair begins: degrees up at degrees from the front, of a forehead that is ``f`` degrees high (below).
HAIR_LONGITUDE = (0, 25, 40, 54, 66, 76, 86, 92, 102, 115, 135, 180)
HAIR_SIDE = (30, 20, 8, -6, 4, 4, -18, -36, -42)  # from 54 degrees on


def hair_cover(look: Look, cell: int) -> NDArray[np.float32]:
    """Give how much hair covers each place (rows, columns) of the head, 0 to 1, at ``cell`` places a cell."""
    if look.style == "bald":
        return np.zeros(face_shape(cell), np.float32)
    rng = np.random.default_rng(look.texture + 1)
    f, wave = look.forehead_deg, rng.normal(0, 2.0)
    front = [f, f - 2 + wave, f - (3 if look.style == "fringe" else 9) + wave]
    edge = np.interp(np.abs(longitudes(cell)), HAIR_LONGITUDE, [*front, *HAIR_SIDE])
    roughness = 0.3 if look.style == "cap" else 1.5
    edge = edge.astype(np.float32) + np.float32(roughness) * noise(rng, (1, 40), 1, len(edge))[0]
    return np.asarray(np.clip((latitudes(cell)[:, None] - edge) / np.float32(4) + np.float32(0.5), 0, 1), np.float32)


def paint_hair(sheet: Sheet, look: Look, rng: np.random.Generator) -> None:
    """Lay hair over a face, down to the lowest row that it covers."""
    cover = hair_cover(look, sheet.cell)
    rows = int(np.flatnonzero(cover.any(axis=1))[-1]) + 1
    tone = np.clip(_strands(look, rng, cover.shape)[:rows], 0.3, 2)
    blend(sheet.pixels[:rows], cover[:rows], _tinted(tone, look.hair + 4))


def _strands(look: Look, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give the tone of each place (rows, columns) of hair or cap."""
    if look.style == "cap":
        return 1 + np.float32(0.04) * noise(rng, (8, 8), *shape)
    fine, coarse = (np.float32(k) * noise(rng, grain, *shape) for k, grain in ((0.22, (5, 150)), (0.15, (4, 30))))
    return 1 + fine + coarse


def _tinted(tone: NDArray[np.float32], colour: Colour) -> Picture:
    """Give a colour in the tones (H, W); a product channel by channel is three times as fast as a broadcast one."""
    return np.asarray(cv2.merge([tone * np.float32(channel) for channel in colour]), dtype=np.float32)


def paint_brows(sheet: Sheet, p: Points, look: Look, rng: np.random.Generator) -> None:
    """Paint both brows below their landmarks: 300-W's annotators follow the upper edge."""
    down = (look.brow_width * UNIT * BROW_PROFILE)[:, None] * np.array([0, 1], np.float32)
    colour = look.hair * 0.6 if look.style != "cap" else look.skin * 0.3
    colour = np.minimum(colour, look.skin * 0.75)
    height, length = (round(side * sheet.scale) for side in BROW_GRAIN)
    grain = np.clip(1 + 0.3 * noise(rng, (6, 12), height, length), 0.5, 1.5)
    for brow, below in ((p[17:22], down), (p[22:27], down[::-1])):
        body = np.concatenate([brow, (brow + below)[::-1]])
        x, y = np.floor((body.min(axis=0) - 4) * sheet.scale).astype(int)
        window = sheet.window((int(x), int(y)), grain.shape)
        cover = mask_of(grain.shape, window.to_pixels(body), 1.2 * sheet.scale)
        blend(window.pixels, cover * grain * np.float32(look.brow_strength / 1.5), colour)


def paint_beard(sheet: Sheet, look: Look, rng: np.random.Generator) -> None:
    """Paint beard and moustache."""
    colour = np.minimum(look.hair if look.style != "cap" else look.skin * 0.4, look.skin * 0.9)
    coarse = rng.standard_normal((90, 130), dtype=np.float32)  # drawn for all: what comes next is the same without
    if not look.beard and not look.moustache:
        return
    grain = np.clip(1 + np.float32(0.35) * smoothed(coarse, *face_shape(sheet.cell)), 0, 1.6)
    for cover, strength in ((stencils.beard, look.beard), (stencils.moustache, look.moustache)):
        if strength:
            blend(sheet.pixels, (cover(sheet.cell) * grain * np.float32(strength)).clip(0, 1), colour)
