"""Paint a person's face as a texture on the head's grid: skin, eyes, brows, lips, beard, hair, clothes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train import stencils
from facewire_train.head import LATITUDES, LONGITUDES, Expression, identity, mean_head
from facewire_train.paint import Colour, Picture, Points, blend, fill, lay, mask_of, noise, ribbon, smoothed
from facewire_train.stencils import CELL, COLUMNS, FACE_ROWS, UNIT, disc, texture_points
from facewire_train.wear import NOTHING, Worn, paint_headwear, paint_mask, wear_of

CLOTH_ROWS = 40  # below the head's: the clothes
IRIS = 0.088  # radius in half jaw widths: 11.8 mm across, on a face 140 mm wide
BROW_GRAIN = (36, 90)  # height and width of a brow's window: a brow spans 30 by 75
TEETH = 0.09  # of half a jaw width that shows below the upper lip
# Dark to light, red, green, blue; by eye, from photographs.
SKINS = np.array(
    [[66, 44, 36], [104, 70, 54], [146, 102, 80], [184, 138, 112], [216, 170, 146], [236, 198, 178]], float
)
HAIRS = np.array(
    [[20, 17, 16], [34, 25, 20], [60, 42, 30], [98, 68, 44], [150, 112, 72], [196, 162, 112], [150, 148, 146]], float
)
IRISES = np.array([[48, 30, 20], [74, 50, 30], [84, 96, 66], [84, 112, 138], [100, 104, 108]], float)
# Where hair begins: degrees up at degrees from the front, of a forehead that is ``f`` degrees high (below).
HAIR_LONGITUDE = (0, 25, 40, 52, 62, 70, 78, 84, 95, 110, 135, 180)
HAIR_SIDE = (30, 20, 8, -6, 4, 4, -18, -36, -42)  # from 52 degrees on
STYLES = ("bald", "short", "long", "fringe", "big", "cap")
STYLE_SHARES = (0.1, 0.38, 0.24, 0.13, 0.07, 0.08)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Hold what a person looks like, whatever the head does."""

    head: NDArray[np.float32]  # (68, 3) at rest
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    style: str  # one of STYLES
    forehead_deg: float  # how high the hair begins
    hair_thickness: float  # half jaw widths
    hair_length: float  # where long hair ends: y of the head
    beard: float  # 0 none, 1 full
    moustache: float
    glasses: float  # radius of a lens in half jaw widths; 0 none
    brow_width: float
    brow_strength: float
    makeup: float
    wrinkles: float
    texture: int  # seed
    worn: Worn


def look_of(rng: np.random.Generator) -> Look:
    """Give a person."""
    lightness = float(rng.beta(1.6, 1.1))
    skin = between(SKINS, lightness) * np.exp(rng.normal(0, 0.04, 3))
    style = str(rng.choice(STYLES, p=STYLE_SHARES))
    hair = between(HAIRS, float(rng.beta(1, 1.7)) * (0.3 + 0.7 * lightness)) * rng.uniform(0.8, 1.2)
    man = style in {"bald", "short", "cap"} and rng.random() < 0.75
    bearded = man and rng.random() < 0.4
    look = Look(
        head=identity(rng),
        skin=np.minimum(skin, 250),
        hair=hair if style != "cap" else rng.uniform(15, 220) + rng.normal(0, 20, 3).clip(-15, 35),
        iris=IRISES[rng.integers(len(IRISES))] * rng.uniform(0.7, 1.2),
        lips=np.minimum(skin * [0.88, 0.62, 0.62] + rng.uniform(0, 1) ** 2 * np.array([36, -6, 4]), 250),
        clothes=np.clip(rng.uniform(15, 235) + rng.normal(0, 35, 3), 5, 250),
        style=style,
        forehead_deg=float(rng.uniform(40, 47) if style == "fringe" else rng.uniform(51, 66)),
        hair_thickness=float(rng.uniform(0.25, 0.5) if style == "big" else rng.uniform(0.05, 0.17)),
        hair_length=float(rng.uniform(0.7, 2.4)),
        beard=float(rng.uniform(0.25, 0.95)) if bearded else 0.0,
        moustache=float(rng.uniform(0.2, 0.95)) if man and rng.random() < 0.35 else 0.0,
        glasses=float(rng.uniform(0.25, 0.36)) if rng.random() < 0.16 else 0.0,
        brow_width=float(rng.uniform(0.04, 0.08)),
        brow_strength=float(rng.uniform(0.45, 1.15)),
        makeup=0.0 if man else float(rng.uniform(0, 1)),
        wrinkles=float(rng.beta(1, 2)),
        texture=int(rng.integers(1 << 30)),
        worn=NOTHING,
    )
    worn = wear_of(np.random.default_rng(look.texture + 5))  # its own generator: a share that changes moves no label
    bare = style == "cap" or (worn.headwear == "scarf" and man)
    return replace(look, worn=replace(worn, headwear="") if bare else worn)


def between(colours: NDArray[np.float64], place: float) -> Colour:
    """Give the colour at ``place``, 0 to 1, along a row of colours."""
    x = place * (len(colours) - 1)
    return np.array([np.interp(x, np.arange(len(colours)), colours[:, c]) for c in range(3)])


@cache
def _latitudes() -> NDArray[np.float32]:
    return np.asarray(np.interp(np.arange(FACE_ROWS) / CELL, np.arange(len(LATITUDES)), LATITUDES), np.float32)


@cache
def _longitudes() -> NDArray[np.float64]:
    return np.asarray(np.interp(np.arange(COLUMNS) / CELL, np.arange(len(LONGITUDES)), LONGITUDES))


def paint_face(look: Look, head: NDArray[np.float32], gaze: NDArray[np.float64]) -> Picture:
    """Give the texture (FACE_ROWS + CLOTH_ROWS, COLUMNS, 3) of a face whose landmarks lie at ``head`` (68, 3)."""
    rng = np.random.default_rng(look.texture)
    p = texture_points()
    picture = np.empty((FACE_ROWS + CLOTH_ROWS, COLUMNS, 3), np.float32)
    _clothes(picture[FACE_ROWS:], look, rng)
    face = picture[:FACE_ROWS]
    _skin(face, p, look, rng)
    _beard(face, look, rng)
    _wrinkles(face, look)
    _nose(face, look)
    for first in (36, 42):
        _eye(face, head[first : first + 6], first, look, gaze)
    _mouth(face, p, head, look)
    _brows(face, p, look, rng)
    paint_mask(face, look.worn, rng)
    if look.style != "bald":
        _hair(face, hair_cover(look), look, rng)
    paint_headwear(face, look.worn, rng)
    return picture


def _hair(face: Picture, cover: NDArray[np.float32], look: Look, rng: np.random.Generator) -> None:
    """Lay hair over a face, down to the lowest row that it covers."""
    strands = _strands(look, rng)
    rows = int(np.flatnonzero(cover.any(axis=1))[-1]) + 1
    blend(face[:rows], cover[:rows], strands[:rows])


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


def _strands(look: Look, rng: np.random.Generator) -> Picture:
    if look.style == "cap":
        tone = 1 + 0.04 * noise(rng, (8, 8), FACE_ROWS, COLUMNS)
    else:
        tone = 1 + 0.22 * noise(rng, (5, 150), FACE_ROWS, COLUMNS) + 0.15 * noise(rng, (4, 30), FACE_ROWS, COLUMNS)
    return _tinted(np.clip(tone, 0.3, 2), look.hair + 4)


def _tinted(tone: NDArray[np.float32], colour: Colour) -> Picture:
    """Give a colour in the tones (H, W); a product channel by channel is three times as fast as a broadcast one."""
    return np.asarray(cv2.merge([tone * np.float32(channel) for channel in colour]), dtype=np.float32)


def _clothes(cloth: Picture, look: Look, rng: np.random.Generator) -> None:
    cloth[:] = look.clothes
    pattern = rng.integers(4)
    if pattern == 0:
        cloth[:, :: int(rng.integers(12, 30))] = rng.uniform(0, 255, 3)
    elif pattern == 1:
        cloth[:: int(rng.integers(5, 12))] *= np.float32(0.6)
    cloth *= (1 + 0.08 * noise(rng, (4, 20), CLOTH_ROWS, COLUMNS))[..., None]
    cloth[: int(rng.integers(0, 8))] *= np.float32(rng.uniform(0.5, 1.3))  # a collar


def _skin(face: Picture, p: Points, look: Look, rng: np.random.Generator) -> None:
    tone = 0.03 * noise(rng, (10, 14), FACE_ROWS, COLUMNS)
    tone += 0.035 * noise(rng, (130, 180), FACE_ROWS, COLUMNS)
    cv2.merge([np.float32(channel) + tone * np.float32(channel) for channel in look.skin], face)
    red, dark = look.skin * [1.04, 0.84, 0.82], look.skin * [0.72, 0.66, 0.66]
    warmth = float(rng.uniform(0.15, 0.6))
    for eye in stencils.eye_sockets():
        lay(face, eye.cheek, red, warmth)
        lay(face, eye.bag, dark, 0.3)
        lay(face, eye.socket, dark, 0.1 + 0.35 * look.makeup * float(rng.random()))
    lay(face, stencils.tip_of_nose(), red, warmth)
    for _ in range(int(rng.integers(0, 4) ** 3)):  # moles and freckles
        spot = rng.uniform(p[:17].min(axis=0), p[:17].max(axis=0)).astype(np.float32)
        fill(face, disc(spot, 1.5, 1.5), look.skin * 0.6, 0.6, float(rng.uniform(0.1, 0.6)))


def _wrinkles(face: Picture, look: Look) -> None:
    dark = look.skin * 0.55
    for fold in stencils.folds():
        lay(face, fold, dark, 0.15 + 0.35 * look.wrinkles)
    if look.wrinkles > 0.4:
        for wrinkle in stencils.forehead_lines():
            lay(face, wrinkle, dark, 0.3 * look.wrinkles)


def _nose(face: Picture, look: Look) -> None:
    for nostril, wing in zip(stencils.nostrils(), stencils.wings(), strict=True):
        lay(face, nostril, look.skin * 0.25, 0.85)
        lay(face, wing, look.skin * 0.5, 0.5)
    lay(face, stencils.base_of_nose(), look.skin * 0.4, 0.5)


def _eye(face: Picture, lids_3d: NDArray[np.float32], first: int, look: Look, gaze: NDArray[np.float64]) -> None:
    """Paint an eye open as at rest; where its lids have closed, the surface squeezes it shut."""
    fixed = stencils.eye(first)
    x, y = fixed.corner
    height, width = fixed.opening.shape
    window = face[y : y + height, x : x + width]
    place = texture_points()[first : first + 6] - np.array([x, y])
    at_rest = mean_head()[first : first + 6]
    squeeze = _gap(lids_3d) / _gap(at_rest)
    eye = np.broadcast_to(look.skin.astype(np.float32) * np.float32(0.2) + 180, window.shape).copy()
    radius, upright = IRIS * UNIT, IRIS * UNIT / max(squeeze, 0.05)
    centre = place.mean(axis=0) + gaze.astype(np.float32) * [8, 4 / max(squeeze, 0.3)] - [0, 0.12 * upright]
    fill(eye, disc(centre, radius, upright), look.iris * 0.6, 0.6)
    fill(eye, disc(centre, radius * 0.82, upright * 0.82), look.iris, 0.8)
    fill(eye, disc(centre, radius * 0.42, upright * 0.42), np.full(3, 8.0), 0.6)
    fill(eye, disc(centre - [0.35 * radius, 0.35 * upright], 1.8, 1.8 / max(squeeze, 0.2)), np.full(3, 250.0), 0.6)
    lay(eye, fixed.shade, look.skin * 0.3, 0.4)
    blend(window, fixed.opening, eye)
    lashes = look.skin * (0.3 - 0.25 * look.makeup)
    thick = (2.5 + 3 * look.makeup) / max(squeeze, 0.4)
    fill(window, ribbon(place[:4], thick), lashes, 0.6, 0.9)
    lay(window, fixed.lower_lid, look.skin * 0.45, 0.6)
    lay(face, fixed.fold, look.skin * 0.5, 0.45)


def _gap(lids: NDArray[np.float32]) -> float:
    return float(lids[[4, 5], 1].mean() - lids[[1, 2], 1].mean())


def _mouth(face: Picture, p: Points, head: NDArray[np.float32], look: Look) -> None:
    mouth = stencils.mouth()
    lips = look.lips + look.makeup**2 * np.array([25.0, -30, -22])
    lay(face, mouth.lips, np.clip(lips, 0, 250), 0.85)
    lay(face, mouth.upper, np.clip(lips * 0.82, 0, 250), 0.8)
    lay(face, mouth.gloss, np.clip(lips * 1.2 + 10, 0, 255), 0.5)
    lay(face, mouth.shade, look.skin * 0.6, 0.5)
    lay(face, mouth.inside, np.array([48.0, 20, 20]))
    gap = float(head[66, 1] - head[62, 1])
    if gap > 0.03:
        _teeth(face, p[60:68], min(TEETH / gap, 0.75))
    lay(face, mouth.seam, lips * 0.35, 0.7)


def _teeth(face: Picture, inner: Points, share: float) -> None:
    """Paint the upper teeth over ``share`` of the open mouth, then the tongue."""
    upper, lower = inner[:5], inner[[0, 7, 6, 5, 4]]
    corners = upper[[0, 4]] + 0.3 * (upper[[1, 3]] - upper[[0, 4]])
    row = np.concatenate([corners[:1], upper[1:4], corners[1:]])
    teeth = np.concatenate([row, (upper + share * (lower - upper))[3:0:-1]])
    fill(face, teeth.astype(np.float32), np.array([214.0, 206, 192]), 0.6, 0.9)
    tongue = (lower + 0.35 * (upper - lower))[1:4]
    fill(face, np.concatenate([tongue, lower[3:0:-1]]), np.array([130.0, 62, 62]), 1, 0.6)


def _brows(face: Picture, p: Points, look: Look, rng: np.random.Generator) -> None:
    width = look.brow_width * UNIT
    colour = look.hair * 0.6 if look.style != "cap" else look.skin * 0.3
    colour = np.minimum(colour, look.skin * 0.75)
    grain = np.clip(1 + 0.3 * noise(rng, (6, 12), *BROW_GRAIN), 0.5, 1.5)
    for brow in (p[17:22], p[22:27]):
        body = ribbon(brow + np.array([0, 0.1 * width], np.float32), width)
        low = np.floor(body.min(axis=0)).astype(int) - 4
        window = face[low[1] : low[1] + BROW_GRAIN[0], low[0] : low[0] + BROW_GRAIN[1]]
        blend(window, mask_of(window.shape, body - low, 1.2) * grain * np.float32(look.brow_strength / 1.5), colour)


def _beard(face: Picture, look: Look, rng: np.random.Generator) -> None:
    colour = np.minimum(look.hair if look.style != "cap" else look.skin * 0.4, look.skin * 0.9)
    coarse = rng.standard_normal((90, 130), dtype=np.float32)  # drawn for all: what comes next is the same without
    if not look.beard and not look.moustache:
        return
    grain = np.clip(1 + np.float32(0.35) * smoothed(coarse, FACE_ROWS, COLUMNS), 0, 1.6)
    if look.beard:
        blend(face, (stencils.beard() * grain * np.float32(look.beard)).clip(0, 1), colour)
    if look.moustache:
        blend(face, (stencils.moustache() * grain * np.float32(look.moustache)).clip(0, 1), colour)


def expression_of(rng: np.random.Generator) -> Expression:
    """Give a face's expression."""
    opened = float(rng.uniform(0.05, 1.0)) if rng.random() < 0.28 else 0.0
    closed = float(rng.uniform(0.4, 1)) if rng.random() < 0.12 else float(rng.uniform(0, 0.2))
    smile = float(rng.uniform(-0.3, 0.9)) if rng.random() < 0.35 else 0.0
    return Expression(opened, smile, float(np.clip(rng.normal(0, 0.5), -1, 1.5)), closed)
