"""Paint hair, brows and beard on the texture."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train import stencils
from facewire_train.head import LATITUDES, LONGITUDES
from facewire_train.look import Look
from facewire_train.paint import Colour, Picture, Points, blend, mask_of, noise, ribbon, smoothed
from facewire_train.stencils import CELL, COLUMNS, FACE_ROWS, UNIT

BROW_GRAIN = (36, 90)  # height and width of a brow's window: a brow spans 30 by 75
# Where hair begins: degrees up at degrees from the front, of a forehead that is ``f`` degrees high (below).
HAIR_LONGITUDE = (0, 25, 40, 52, 62, 70, 78, 84, 95, 110, 135, 180)
HAIR_SIDE = (30, 20, 8, -6, 4, 4, -18, -36, -42)  # from 52 degrees on


@cache
def _latitudes() -> NDArray[np.float32]:
    return np.asarray(np.interp(np.arange(FACE_ROWS) / CELL, np.arange(len(LATITUDES)), LATITUDES), np.float32)


@cache
def _longitudes() -> NDArray[np.float64]:
    return np.asarray(np.interp(np.arange(COLUMNS) / CELL, np.arange(len(LONGITUDES)), LONGITUDES))


def hair_cover(look: Look) -> NDArray[np.float32]:
    """Give how much hair covers each place (FACE_ROWS, COLUMNS) of the head, 0 to 1."""
    if look.style == "bald":
        return np.zeros((FACE_ROWS, COLUMNS), np.float32)
    rng = np.random.default_rng(look.texture + 1)
    f, wave = look.forehead_deg, rng.normal(0, 2.0)
    front = [f, f - 2 + wave, f - (3 if look.style == "fringe" else 9) + wave]
    edge = np.interp(np.abs(_longitudes()), HAIR_LONGITUDE, [*front, *HAIR_SIDE])
    roughness = 0.3 if look.style == "cap" else 1.5
    edge = edge.astype(np.float32) + np.float32(roughness) * noise(rng, (1, 40), 1, COLUMNS)[0]
    return np.asarray(np.clip((_latitudes()[:, None] - edge) / np.float32(4) + np.float32(0.5), 0, 1), np.float32)


def paint_hair(face: Picture, cover: NDArray[np.float32], look: Look, rng: np.random.Generator) -> None:
    """Lay hair over a face, down to the lowest row that it covers."""
    strands = _strands(look, rng)
    rows = int(np.flatnonzero(cover.any(axis=1))[-1]) + 1
    blend(face[:rows], cover[:rows], strands[:rows])


def _strands(look: Look, rng: np.random.Generator) -> Picture:
    if look.style == "cap":
        tone = 1 + 0.04 * noise(rng, (8, 8), FACE_ROWS, COLUMNS)
    else:
        tone = 1 + 0.22 * noise(rng, (5, 150), FACE_ROWS, COLUMNS) + 0.15 * noise(rng, (4, 30), FACE_ROWS, COLUMNS)
    return _tinted(np.clip(tone, 0.3, 2), look.hair + 4)


def _tinted(tone: NDArray[np.float32], colour: Colour) -> Picture:
    """Give a colour in the tones (H, W); a product channel by channel is three times as fast as a broadcast one."""
    return np.asarray(cv2.merge([tone * np.float32(channel) for channel in colour]), dtype=np.float32)


def paint_brows(face: Picture, p: Points, look: Look, rng: np.random.Generator) -> None:
    """Paint both brows."""
    width = look.brow_width * UNIT
    colour = look.hair * 0.6 if look.style != "cap" else look.skin * 0.3
    colour = np.minimum(colour, look.skin * 0.75)
    grain = np.clip(1 + 0.3 * noise(rng, (6, 12), *BROW_GRAIN), 0.5, 1.5)
    for brow in (p[17:22], p[22:27]):
        body = ribbon(brow + np.array([0, 0.1 * width], np.float32), width)
        low = np.floor(body.min(axis=0)).astype(int) - 4
        window = face[low[1] : low[1] + BROW_GRAIN[0], low[0] : low[0] + BROW_GRAIN[1]]
        blend(window, mask_of(window.shape, body - low, 1.2) * grain * np.float32(look.brow_strength / 1.5), colour)


def paint_beard(face: Picture, look: Look, rng: np.random.Generator) -> None:
    """Paint beard and moustache."""
    colour = np.minimum(look.hair if look.style != "cap" else look.skin * 0.4, look.skin * 0.9)
    coarse = rng.standard_normal((90, 130), dtype=np.float32)  # drawn for all: what comes next is the same without
    if not look.beard and not look.moustache:
        return
    grain = np.clip(1 + np.float32(0.35) * smoothed(coarse, FACE_ROWS, COLUMNS), 0, 1.6)
    if look.beard:
        blend(face, (stencils.beard() * grain * np.float32(look.beard)).clip(0, 1), colour)
    if look.moustache:
        blend(face, (stencils.moustache() * grain * np.float32(look.moustache)).clip(0, 1), colour)
