"""The meshes of a person: head with hair, ears, long hair, neck, shoulders."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.hair import hair_cover
from facewire_train.head import (
    CENTRE,
    LATITUDES,
    LONGITUDES,
    Pose,
    column_of,
    controls,
    grid,
    rotation,
    row_of,
)
from facewire_train.look import Look
from facewire_train.raster import Places, grid_triangles
from facewire_train.texture import CELL, CLOTH_CELLS, FACE_HEIGHT, FINE, WIDTH
from facewire_train.wear import Worn, brim, headwear_cover, lifted

Array = NDArray[np.float32]

ROWS, COLS = len(LATITUDES), len(LONGITUDES)
EAR_GRID = 7
RING = 17  # vertices around the neck and the shoulders
HAIR, HAIR_BELOW_HAT = (60, 34), (14, 6)  # degrees up where the texture of long hair comes from
BRIM_OPENNESS = 0.85
NECK_ROWS, CURTAIN_ROWS, CURTAIN_COLS = 6, 7, 19
OCCLUSION = 2.0  # how much a hollow of one half jaw width darkens
BODY_TURN = 0.3  # share of the head's turn that the shoulders follow
# Rings of the shoulders: y, half width, half depth; by eye.
SHOULDERS = (
    (1.5, 0.72, 0.62),
    (1.72, 1.1, 0.75),
    (1.98, 2.1, 0.85),
    (2.4, 2.9, 0.95),
    (5.5, 3.2, 1.0),
    (18.0, 3.2, 1.0),
)


class Mesh(NamedTuple):
    """Hold a person's vertices in camera space."""

    places: Array  # (V, 3) turned, half jaw widths
    normals: Array  # (V, 3)
    texture: Array  # (V, 2) texture units
    openness: Array  # (V,) 1 in the open, less in a hollow
    triangles: Places  # (3, T)
    two_sided: NDArray[np.bool_]  # (T,)


class _Part(NamedTuple):
    places: Array  # (rows, columns, 3) turned
    texture: Array  # (rows, columns, 2)
    openness: Array  # (rows, columns)
    two_sided: bool


def build(look: Look, head: Array, pose: Pose) -> Mesh:
    """Give the mesh of a person whose landmarks lie at ``head`` (68, 3), turned by ``pose``."""
    turn = rotation(pose)
    body = rotation(Pose(pose.yaw_deg * BODY_TURN, pose.pitch_deg * BODY_TURN, pose.roll_deg * BODY_TURN, 0, 0, 1))
    surface = _head(look, head)
    parts = [_turned(surface, turn), _neck(turn, body), _shoulders(body)]
    if look.worn.headwear != "scarf":
        parts += [_ear(head, side, turn) for side in (-1, 1)]
    if look.worn.headwear in {"peaked", "brimmed"}:
        parts.append(_turned(_brim(surface.places, look.worn), turn))
    if look.style == "long" or look.worn.headwear == "scarf":
        parts.append(_curtain(look, turn))
    return _joined(parts)


def _turned(part: _Part, turn: NDArray[np.float64]) -> _Part:
    return part._replace(places=(part.places @ turn.T).astype(np.float32))


def _brim(places: Array, worn: Worn) -> _Part:
    grid = brim(places, worn)
    return _Part(grid.places, grid.texture, np.full(grid.places.shape[:2], BRIM_OPENNESS, np.float32), True)


def _joined(parts: list[_Part]) -> Mesh:
    triangles, two_sided = _triangles(tuple((part.openness.shape, part.two_sided) for part in parts))
    return Mesh(
        np.concatenate([part.places.reshape(-1, 3) for part in parts]).astype(np.float32),
        np.concatenate([_normals(part.places).reshape(-1, 3) for part in parts]).astype(np.float32),
        np.concatenate([part.texture.reshape(-1, 2) for part in parts]).astype(np.float32),
        np.concatenate([part.openness.ravel() for part in parts]).astype(np.float32),
        triangles,
        two_sided,
    )


@cache
def _triangles(grids: tuple[tuple[tuple[int, ...], bool], ...]) -> tuple[Places, NDArray[np.bool_]]:
    """Give triangles (3, T) and two-sidedness (T,) of grids (rows, columns) in a row; not to be written to."""
    triangles, sided, first = [], [], 0
    for (rows, columns), two_sided in grids:
        triangles.append(grid_triangles(rows, columns, first))
        sided.append(np.full(triangles[-1].shape[1], two_sided))
        first += rows * columns
    return np.concatenate(triangles, axis=1), np.concatenate(sided)


def _normals(places: Array) -> Array:
    """Give outward normals of a grid whose rows run down and columns to the right, seen from outside."""
    planes = np.ascontiguousarray(places.transpose(2, 0, 1))
    (ax, ay, az), (bx, by, bz) = _steps(planes.transpose(0, 2, 1)).transpose(0, 2, 1), _steps(planes)
    normals = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    normals /= np.maximum(np.sqrt((normals * normals).sum(axis=0)), 1e-9)
    return normals.transpose(1, 2, 0)


def _steps(planes: Array) -> Array:
    """Give the central differences of planes (3, n, m) along their second axis, one-sided at the ends."""
    steps = np.empty_like(planes)
    steps[:, 1:-1] = (planes[:, 2:] - planes[:, :-2]) / 2
    steps[:, 0], steps[:, -1] = planes[:, 1] - planes[:, 0], planes[:, -1] - planes[:, -2]
    return steps


def _head(look: Look, head: Array) -> _Part:
    places = grid().through(controls(head)).reshape(ROWS, COLS, 3)
    normals = _normals(places)
    raised = lifted(places, normals, look.worn)
    openness = _openness(raised)
    cover = hair_cover(look, 1)
    if look.worn.headwear:
        cover = cover * (1 - headwear_cover(look.worn.headwear, FINE)[::FINE, ::FINE])  # hair lies flat under it
    lumps = np.random.default_rng(look.texture + 2).normal(1, 0.12, (ROWS, COLS))
    thickness = cv2.GaussianBlur((cover * lumps).astype(np.float32), (0, 0), 0.8) * look.hair_thickness
    return _Part(raised + normals * np.asarray(thickness)[..., None], _head_texture(), openness, False)


@cache
def _head_texture() -> Array:
    columns, rows = np.meshgrid(np.arange(COLS) * CELL, np.arange(ROWS) * CELL)
    return np.stack([columns, rows], axis=2).astype(np.float32)


def _openness(places: Array) -> Array:
    """Darken hollows: where the surface lies below its surroundings."""
    x, y, z = (np.ascontiguousarray(places[..., k] - np.float32(CENTRE[k])) for k in range(3))
    depth = np.sqrt(x * x + y * y + z * z)
    hollow = cv2.GaussianBlur(depth, (0, 0), 2.2) - depth
    return np.asarray(np.clip(1 - OCCLUSION * hollow, 0.55, 1.04), dtype=np.float32)


def _ear(head: Array, side: int, turn: NDArray[np.float64]) -> _Part:
    shape, texture, rim = _ear_figures(side)
    places = shape + np.array([side * (np.abs(head[[0, 16], 0]).mean() + 0.1), -0.16, -1.38])
    return _Part((places @ turn.T).astype(np.float32), texture, rim, True)


@cache
def _ear_figures(side: int) -> tuple[NDArray[np.float64], Array, Array]:
    """Give places about the ear's middle, texture and openness of an ear's grid; not to be written to."""
    across, along = np.meshgrid(np.linspace(-1, 1, EAR_GRID), np.linspace(-1, 1, EAR_GRID))
    width = np.sqrt(np.maximum(1 - along**2, 0)) * (0.85 - 0.15 * along)
    back = np.array([side * 0.55, 0.0, -0.8]) * 0.2
    out = np.array([side * 0.8, 0.0, 0.55])
    bulge = 0.07 * (1 - along**2) * (1 - across**2)
    shape = (
        (across * width * -side)[..., None] * -back * side
        + along[..., None] * np.array([0, 0.36, -0.03])
        + bulge[..., None] * out
    )
    skin = np.array([column_of(np.array(side * 48.0)), row_of(np.array(-12.0))]) * CELL
    texture = skin + np.stack([across, along], axis=2) * 4
    rim = 0.62 + 0.4 * np.maximum(np.abs(across), np.abs(along)) ** 2
    return shape, texture.astype(np.float32), rim.astype(np.float32)


@cache
def _ring(y: float, half_width: float, half_depth: float, z: float) -> Array:
    """Give a ring (RING, 3) round the body; not to be written to."""
    angle = np.linspace(-np.pi, np.pi, RING)
    ring = [half_width * np.sin(angle), np.full(RING, y), z + half_depth * np.cos(angle)]
    return np.stack(ring, axis=1).astype(np.float32)


def _neck(turn: NDArray[np.float64], body: NDArray[np.float64]) -> _Part:
    top, bottom = _ring(0.7, 0.68, 0.58, -1.2) @ turn.T, _ring(2.1, 0.86, 0.74, -1.45) @ body.T
    share = np.linspace(0, 1, NECK_ROWS)[:, None, None]
    places = top + share * (bottom - top)
    texture = np.empty((NECK_ROWS, RING, 2), np.float32)
    texture[..., 0] = (WIDTH + 1) / 2 + np.linspace(-60, 60, RING)
    texture[..., 1] = FACE_HEIGHT - 1 - np.linspace(0, 6, NECK_ROWS)[:, None]
    shade = np.broadcast_to(0.5 + 0.4 * share[..., 0], (NECK_ROWS, RING))
    return _Part(places.astype(np.float32), texture, shade.astype(np.float32), False)


def _shoulders(body: NDArray[np.float64]) -> _Part:
    places = np.stack([_ring(y, w, d, -1.45) for y, w, d in SHOULDERS]) @ body.T
    texture = np.empty((len(SHOULDERS), RING, 2), np.float32)
    texture[..., 0] = np.linspace(0, WIDTH, RING)
    texture[:-1, :, 1] = FACE_HEIGHT + 2 + np.linspace(0, CLOTH_CELLS * CELL - 3, len(SHOULDERS) - 1)[:, None]
    texture[-1, :, 1] = texture[-2, :, 1]  # plain where only a small person in a large picture shows it
    return _Part(places.astype(np.float32), texture, np.ones(texture.shape[:2], np.float32), True)


def _curtain(look: Look, turn: NDArray[np.float64]) -> _Part:
    """Hang long hair from the crown, open towards the face."""
    rng = np.random.default_rng(look.texture + 3)
    longitude = np.linspace(80, 280, CURTAIN_COLS)
    down = np.linspace(0, 1, CURTAIN_ROWS)[:, None]
    angle = np.radians(longitude)[None]
    lumps = rng.normal(1, 0.025, (CURTAIN_ROWS, CURTAIN_COLS))
    wide = (1.06 + look.hair_thickness + 0.15 * np.sin(np.pi * down)) * lumps
    y = -0.75 + down * (look.hair_length + 0.75)
    z = -1.15 + 1.25 * wide * np.cos(angle) * (1 - 0.3 * down)
    places = np.stack(np.broadcast_arrays(wide * np.sin(angle), y, z), axis=2)
    hatted = look.worn.headwear in {"peaked", "brimmed"}
    wrapped = (longitude + 180) % 360 - 180
    texture = np.empty((CURTAIN_ROWS, CURTAIN_COLS, 2), np.float32)
    texture[..., 0] = column_of(wrapped) * CELL
    texture[..., 1] = row_of(np.interp(down, [0, 1], HAIR_BELOW_HAT if hatted else HAIR)) * CELL
    return _Part((places @ turn.T).astype(np.float32), texture, np.full(texture.shape[:2], 0.85, np.float32), True)
