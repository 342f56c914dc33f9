"""Draw triangles with a depth buffer, in NumPy: which triangle a pixel sees, and what its corners say there.

Most triangles of a head are a few pixels wide: a small square of pixels is tried for all of them at once. The others
become spans, the pixels of a row that a triangle covers. Tables hold one quantity a row: NumPy is fastest along rows.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Places = NDArray[np.intp]  # NumPy turns other integers into these first, which costs more than the look-up
SLACK = np.float32(1e-3)  # of a triangle: no gaps along shared edges
FLAT = np.float32(1e-9)  # slope of a barycentric coordinate along a row that counts as none
LEAST_AREA = np.float32(1e-6)  # pixels, twice the triangle's
SMALL = 4  # pixels: side of the square that is tried for a small triangle


class _Planes(NamedTuple):
    """Hold of K triangles two barycentric coordinates, then the nearness, as ``start + x * by_x + y * by_y``."""

    start: Array  # (3, K)
    by_x: Array  # (3, K)
    by_y: Array  # (3, K)


class _Boxes(NamedTuple):
    """Hold the first and the last pixels' columns and rows of K triangles, inside the picture, as whole numbers."""

    left: Array  # (K,)
    top: Array
    right: Array
    bottom: Array


class _Hits(NamedTuple):
    """Hold what triangles cover: N pairs of pixel and triangle."""

    pixel: Places  # (N,) flat index into the picture
    owner: Places  # (N,) triangle
    nearness: Array  # (N,)


class Seen(NamedTuple):
    """Hold the pixels that a mesh covers."""

    pixels: Places  # (P,) flat index into the picture, rising
    values: Array  # (A, P) attributes, interpolated
    depth: Array  # (H, W) larger is nearer; -inf where nothing is


def grid_triangles(rows: int, columns: int, first: int = 0) -> Places:
    """Give the triangles (3, T) of a grid of vertices that begins at index ``first``."""
    corner = (first + np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    upper = np.stack([corner, corner + 1, corner + columns])
    lower = np.stack([corner + 1, corner + columns + 1, corner + columns])
    return np.concatenate([upper, lower], axis=1)


def rasterise(
    xy: Array, depth: Array, attributes: Array, triangles: Places, two_sided: NDArray[np.bool_], shape: tuple[int, int]
) -> Seen:
    """Find the nearest triangle of each pixel.

    Args:
        xy: pixels (V, 2) of the vertices.
        depth: of the vertices (V,), larger is nearer.
        attributes: of the vertices (A, V).
        triangles: (3, T); they face the camera when they run clockwise on the screen.
        two_sided: (T,) also drawn when they face away.
        shape: height, width.

    """
    x, y = (np.take(np.ascontiguousarray(places), triangles) for places in xy.T)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    boxes = _boxes(x, y, shape)
    drawn = (area > LEAST_AREA) | (two_sided & (area < -LEAST_AREA))
    keep = np.flatnonzero(drawn & (boxes.left <= boxes.right) & (boxes.top <= boxes.bottom))
    triangles, x, y = (np.take(table, keep, axis=1) for table in (triangles, x, y))
    boxes = _Boxes(*(side[keep] for side in boxes))
    planes = _planes(x, y, np.take(depth, triangles), area[keep])
    hits = _covered(planes, boxes, shape)
    buffer, best = _nearest(hits, shape[0] * shape[1])
    pixels, owner = hits.pixel[best], hits.owner[best]
    values = _mixed(attributes, triangles, owner, _shares(planes, pixels, owner, shape))
    return Seen(pixels, values, buffer.reshape(shape))


def _boxes(x: Array, y: Array, shape: tuple[int, int]) -> _Boxes:
    (left, right), (top, bottom) = (
        (np.maximum(np.ceil(_extreme(np.minimum, a) - 1e-3), 0), np.floor(_extreme(np.maximum, a) + 1e-3))
        for a in (x, y)
    )
    return _Boxes(left, top, np.minimum(right, shape[1] - 1), np.minimum(bottom, shape[0] - 1))


def _extreme(choose: np.ufunc, a: Array) -> Array:
    return np.asarray(choose(choose(a[0], a[1]), a[2]), dtype=np.float32)


def _planes(x: Array, y: Array, z: Array, area: Array) -> _Planes:
    """Give the planes of triangles with corners at ``x``, ``y``, ``z`` (3, K)."""
    right1, down1 = (x[1] - x[0]) / area, (y[1] - y[0]) / area
    right2, down2 = (x[2] - x[0]) / area, (y[2] - y[0]) / area
    rise1, rise2 = z[1] - z[0], z[2] - z[0]
    by_x, by_y, start = np.empty((3, 3, len(area)), np.float32)
    by_x[0], by_x[1] = down2, -down1
    by_y[0], by_y[1] = -right2, right1
    start[0], start[1] = right2 * y[0] - down2 * x[0], down1 * x[0] - right1 * y[0]
    for plane, offset in ((by_x, 0), (by_y, 0), (start, z[0])):
        plane[2] = plane[0] * rise1 + plane[1] * rise2 + offset
    return _Planes(start, by_x, by_y)


def _covered(planes: _Planes, boxes: _Boxes, shape: tuple[int, int]) -> _Hits:
    small = (boxes.right - boxes.left < SMALL) & (boxes.bottom - boxes.top < SMALL)
    small &= (boxes.left <= shape[1] - SMALL) & (boxes.top <= shape[0] - SMALL)
    parts = [f(planes, boxes, np.flatnonzero(of), shape[1]) for f, of in ((_in_squares, small), (_in_spans, ~small))]
    return _Hits(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))


def _in_squares(planes: _Planes, boxes: _Boxes, which: Places, width: int) -> _Hits:
    """Try all pixels of a square for each small triangle."""
    start, by_x, by_y = (np.take(plane, which, axis=1) for plane in planes)
    left, top = boxes.left[which], boxes.top[which]
    step = np.arange(SMALL, dtype=np.float32)[:, None]
    rows = (start + left * by_x + top * by_y)[:, None] + step * by_y[:, None]  # (3, SMALL, K)
    at = (rows[:, :, None] + (step * by_x[:, None])[:, None]).reshape(3, SMALL * SMALL, -1)
    inside = np.minimum(np.minimum(at[0], at[1]), 1 - at[0] - at[1]) >= -SLACK
    hit, counts = np.flatnonzero(inside), np.count_nonzero(inside, axis=1)
    place = np.arange(SMALL * SMALL)
    local = hit - np.repeat(place * len(which), counts)
    first = top.astype(np.intp) * width + left.astype(np.intp)
    pixel = first[local] + np.repeat(place // SMALL * width + place % SMALL, counts)
    return _Hits(pixel, which[local], np.take(at[2], hit))


def _in_spans(planes: _Planes, boxes: _Boxes, which: Places, width: int) -> _Hits:
    """Find per row of each triangle where all three barycentric coordinates are above -SLACK."""
    top = boxes.top[which].astype(np.intp)
    rows = boxes.bottom[which].astype(np.intp) - top + 1
    local = np.repeat(np.arange(len(which)), rows)
    y = np.arange(len(local)) + (top - np.cumsum(rows) + rows)[local]
    owner, level = which[local], y.astype(np.float32)
    left, right = _cut(boxes.left[owner], boxes.right[owner], planes, owner, level)
    first = np.ceil(left)
    length = np.maximum(np.floor(right) - first + 1, 0).astype(np.intp)
    span = np.repeat(np.arange(len(local)), length)
    along = np.arange(len(span)) - (np.cumsum(length) - length)[span]
    start, by_x, by_y = (plane[2][owner] for plane in planes)
    near = start + first * by_x + level * by_y
    pixel = (y * width + first.astype(np.intp))[span] + along
    return _Hits(pixel, owner[span], near[span] + along.astype(np.float32) * by_x[span])


def _cut(left: Array, right: Array, planes: _Planes, owner: Places, y: Array) -> tuple[Array, Array]:
    """Cut spans (S,) where a barycentric coordinate ends: before it if it falls along the row, after it if it rises."""
    for weights, constant in (((1, 0), 0), ((0, 1), 0), ((-1, -1), 1)):
        start, by_x, by_y = (weights[0] * plane[0] + weights[1] * plane[1] for plane in planes)
        by_x = np.where(np.abs(by_x) < FLAT, FLAT, by_x)
        end = (-(start + constant + SLACK) / by_x)[owner] - (by_y / by_x)[owner] * y
        rises = (by_x > 0)[owner]
        left = np.where(rises, np.maximum(left, end), left)
        right = np.where(rises, right, np.minimum(right, end))
    return left, right


def _nearest(hits: _Hits, size: int) -> tuple[Array, Places]:
    """Give the nearness of each pixel of the picture (size,), and which of the hits are seen."""
    buffer = np.full(size, -np.inf, np.float32)
    np.maximum.at(buffer, hits.pixel, hits.nearness)
    seen = np.flatnonzero(hits.nearness == buffer[hits.pixel])
    winner = np.full(size, -1, np.intp)
    winner[hits.pixel[seen]] = seen  # one of those that are equally near
    return buffer, winner[winner >= 0]


def _shares(planes: _Planes, pixels: Places, owner: Places, shape: tuple[int, int]) -> Array:
    """Give the barycentric coordinates (2, P) of pixels in triangles ``owner``."""
    x, y = (np.take(table, pixels) for table in _columns_and_rows(shape))
    start, by_x, by_y = (np.take(plane[:2], owner, axis=1) for plane in planes)
    start += x * by_x
    start += y * by_y
    return start


@cache
def _columns_and_rows(shape: tuple[int, int]) -> tuple[Array, Array]:
    """Give x and y of each pixel of a picture; not to be written to."""
    y, x = np.indices(shape, dtype=np.float32)
    return x.ravel(), y.ravel()


def _mixed(attributes: Array, triangles: Places, owner: Places, shares: Array) -> Array:
    """Give the attributes (A, P) inside triangles ``owner`` (P,), by barycentric coordinates (2, P)."""
    first, second, third = (np.take(attributes, corner, axis=1) for corner in triangles)
    mixed = np.take(first, owner, axis=1)
    mixed += shares[0] * np.take(second - first, owner, axis=1)
    mixed += shares[1] * np.take(third - first, owner, axis=1)
    return mixed
