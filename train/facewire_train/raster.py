"""Draw triangles with a depth buffer, in NumPy: which triangle a pixel sees, and what its corners say there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Indices = NDArray[np.int32]
SLACK = np.float32(1e-3)  # of a triangle: no gaps along shared edges


class Seen(NamedTuple):
    """Hold the pixels that a mesh covers."""

    pixels: NDArray[np.int64]  # (P,) flat index into the picture
    values: Array  # (P, A) attributes, interpolated
    depth: Array  # (H, W) larger is nearer; -inf where nothing is


def grid_triangles(rows: int, columns: int, first: int = 0) -> Indices:
    """Give the triangles (T, 3) of a grid of vertices that begins at index ``first``."""
    corner = (first + np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    upper = np.stack([corner, corner + 1, corner + columns], axis=1)
    lower = np.stack([corner + 1, corner + columns + 1, corner + columns], axis=1)
    return np.concatenate([upper, lower]).astype(np.int32)


def rasterise(
    xy: Array, depth: Array, attributes: Array, triangles: Indices, two_sided: NDArray[np.bool_], shape: tuple[int, int]
) -> Seen:
    """Find the nearest triangle of each pixel.

    Args:
        xy: pixels (V, 2) of the vertices.
        depth: of the vertices (V,), larger is nearer.
        attributes: of the vertices (V, A).
        triangles: (T, 3); they face the camera when they run clockwise on the screen.
        two_sided: (T,) also drawn when they face away.
        shape: height, width.

    """
    corners = xy[triangles]
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    keep = (area > 1e-6) | (two_sided & (area < -1e-6))
    triangles, corners, area = triangles[keep], corners[keep], area[keep]
    owner, x, y = _candidates(corners, shape)
    b1, b2 = _barycentric(corners, area, owner, x, y)
    inside = np.flatnonzero((b1 >= -SLACK) & (b2 >= -SLACK) & (b1 + b2 <= 1 + SLACK))
    owner, b1, b2 = owner[inside], b1[inside], b2[inside]
    flat = y[inside] * shape[1] + x[inside]
    z = depth[triangles]
    nearness = z[:, 0][owner] + b1 * (z[:, 1] - z[:, 0])[owner] + b2 * (z[:, 2] - z[:, 0])[owner]
    return _nearest(nearness, flat, triangles, owner, b1, b2, attributes, shape)


def _barycentric(corners: Array, area: Array, owner: Indices, x: Indices, y: Indices) -> tuple[Array, Array]:
    """Give the second and third barycentric coordinate of pixels in their triangles: affine in x and y."""
    first = corners[:, 0]
    edge1, edge2 = (corners[:, 1] - first) / area[:, None], (corners[:, 2] - first) / area[:, None]
    start1 = _cross(edge2, first)
    start2 = -_cross(edge1, first)
    px, py = x.astype(np.float32), y.astype(np.float32)
    b1 = px * edge2[:, 1][owner] - py * edge2[:, 0][owner] + start1[owner]
    b2 = py * edge1[:, 0][owner] - px * edge1[:, 1][owner] + start2[owner]
    return b1, b2


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], dtype=np.float32)


def _candidates(corners: Array, shape: tuple[int, int]) -> tuple[Indices, Indices, Indices]:
    """Give all pixels in the triangles' boxes: the triangle's number, x and y."""
    limit = np.array([shape[1] - 1, shape[0] - 1])
    low = np.clip(np.ceil(corners.min(axis=1) - 1e-3), 0, limit + 1).astype(np.int32)
    high = np.clip(np.floor(corners.max(axis=1) + 1e-3), -1, limit).astype(np.int32)
    size = np.maximum(high - low + 1, 0)
    count = size[:, 0] * size[:, 1]
    owner = np.repeat(np.arange(len(corners), dtype=np.int32), count)
    start = (np.cumsum(count) - count).astype(np.int32)
    within = np.arange(len(owner), dtype=np.int32) - start[owner]
    columns = np.maximum(size[:, 0], 1)[owner]
    row = within // columns
    return owner, low[:, 0][owner] + within - row * columns, low[:, 1][owner] + row


def _nearest(
    nearness: Array,
    flat: Indices,
    triangles: Indices,
    owner: Indices,
    b1: Array,
    b2: Array,
    attributes: Array,
    shape: tuple[int, int],
) -> Seen:
    order = np.argsort(nearness)
    winner = np.full(shape[0] * shape[1], -1, np.int64)
    winner[flat[order]] = order  # far to near: NumPy keeps the last value of a repeated index
    pixels = np.flatnonzero(winner >= 0)
    best = winner[pixels]
    values = attributes[triangles]  # (T, 3, A)
    values[:, 1:] -= values[:, :1]
    chosen = owner[best]
    seen = values[:, 0][chosen] + b1[best, None] * values[:, 1][chosen] + b2[best, None] * values[:, 2][chosen]
    depth = np.full(len(winner), -np.inf, np.float32)
    depth[pixels] = nearness[best]
    return Seen(pixels, seen, depth.reshape(shape))
