"""Draw triangles with a depth buffer, in NumPy: which triangle a pixel sees, and what its corners say there.

Triangles become spans, the pixels of a row that a triangle covers: only those are ever looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Places = NDArray[np.intp]  # NumPy turns other integers into these first, which costs more than the look-up
SLACK = np.float32(1e-3)  # of a triangle: no gaps along shared edges
FLAT = np.float32(1e-9)  # slope of a barycentric coordinate along a row that counts as none


class _Slopes(NamedTuple):
    """Hold each triangle's last two barycentric coordinates as ``start + x * by_x + y * by_y``, each (T, 2)."""

    start: Array
    by_x: Array
    by_y: Array


class _Spans(NamedTuple):
    """Hold the spans of all triangles."""

    owner: Places  # (S,) triangle
    y: Places  # (S,)
    first: Places  # (S,) x of the first pixel
    length: Places  # (S,) pixels


class Seen(NamedTuple):
    """Hold the pixels that a mesh covers."""

    pixels: Places  # (P,) flat index into the picture
    values: Array  # (P, A) attributes, interpolated
    depth: Array  # (H, W) larger is nearer; -inf where nothing is


def grid_triangles(rows: int, columns: int, first: int = 0) -> Places:
    """Give the triangles (T, 3) of a grid of vertices that begins at index ``first``."""
    corner = (first + np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    upper = np.stack([corner, corner + 1, corner + columns], axis=1)
    lower = np.stack([corner + 1, corner + columns + 1, corner + columns], axis=1)
    return np.concatenate([upper, lower])


def rasterise(
    xy: Array, depth: Array, attributes: Array, triangles: Places, two_sided: NDArray[np.bool_], shape: tuple[int, int]
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
    corners = np.take(xy, triangles, axis=0)
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    keep = np.flatnonzero((area > 1e-6) | (two_sided & (area < -1e-6)))
    triangles, corners = triangles[keep], corners[keep]
    slopes = _slopes(corners, area[keep, None])
    spans = _spans(corners, slopes, shape)
    begin = _at_first(spans, slopes)
    flat, along, span, nearness = _pixels(spans, slopes, begin, depth[triangles], shape[1])
    buffer, best = _nearest(nearness, flat, shape[0] * shape[1])
    pixels, span, along = flat[best], span[best], along[best]
    shares = np.take(begin, span, axis=0)
    owner = spans.owner[span]
    shares += along[:, None] * np.take(slopes.by_x, owner, axis=0)
    return Seen(pixels, _mixed(attributes, triangles, owner, shares), buffer.reshape(shape))


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], dtype=np.float32)


def _inner(a: Array, b: Array) -> Array:
    return np.asarray(a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1], dtype=np.float32)


def _slopes(corners: Array, area: Array) -> _Slopes:
    first = corners[:, 0]
    edge1, edge2 = (corners[:, 1] - first) / area, (corners[:, 2] - first) / area
    start = np.stack([_cross(edge2, first), -_cross(edge1, first)], axis=1)
    by_x = np.stack([edge2[:, 1], -edge1[:, 1]], axis=1)
    return _Slopes(start, by_x, np.stack([-edge2[:, 0], edge1[:, 0]], axis=1))


def _spans(corners: Array, slopes: _Slopes, shape: tuple[int, int]) -> _Spans:
    """Find the spans inside the picture: per row, where all three barycentric coordinates are above -SLACK."""
    low, high = np.ceil(_extreme(np.minimum, corners) - 1e-3), np.floor(_extreme(np.maximum, corners) + 1e-3)
    top, bottom = np.clip(low[:, 1], 0, shape[0]).astype(np.intp), np.clip(high[:, 1], -1, shape[0] - 1)
    rows = np.maximum(bottom.astype(np.intp) - top + 1, 0)
    owner = np.repeat(np.arange(len(corners)), rows)
    y = np.arange(len(owner)) + (top - np.cumsum(rows) + rows)[owner]
    left, right = np.clip(low[:, 0], 0, shape[1]), np.clip(high[:, 0], -1, shape[1] - 1)
    left, right = _cut(left[owner], right[owner], slopes, owner, y.astype(np.float32))
    first = np.ceil(left).astype(np.intp)
    length = np.floor(right).astype(np.intp) - first + 1
    some = np.flatnonzero(length > 0)
    return _Spans(owner[some], y[some], first[some], length[some])


def _extreme(choose: np.ufunc, corners: Array) -> Array:
    return np.asarray(choose(choose(corners[:, 0], corners[:, 1]), corners[:, 2]), dtype=np.float32)


def _cut(left: Array, right: Array, slopes: _Slopes, owner: Places, y: Array) -> tuple[Array, Array]:
    """Cut spans (S,) where a barycentric coordinate ends: before it if it falls along the row, after it if it rises."""
    start, by_x, by_y = (np.column_stack([a, -a[:, 0] - a[:, 1]]) for a in slopes)
    start[:, 2] += 1
    by_x[np.abs(by_x) < FLAT] = FLAT
    offset, lean, rising = (np.ascontiguousarray(a.T) for a in (-(start + SLACK) / by_x, -by_y / by_x, by_x > 0))
    for k in range(3):
        end = offset[k][owner] + lean[k][owner] * y
        rises = rising[k][owner]
        left = np.where(rises, np.maximum(left, end), left)
        right = np.where(rises, right, np.minimum(right, end))
    return left, right


def _at_first(spans: _Spans, slopes: _Slopes) -> Array:
    """Give the barycentric coordinates (S, 2) at the first pixel of each span."""
    x, y = spans.first[:, None].astype(np.float32), spans.y[:, None].astype(np.float32)
    start, by_x, by_y = (np.take(a, spans.owner, axis=0) for a in slopes)
    return np.asarray(start + x * by_x + y * by_y, dtype=np.float32)


def _pixels(spans: _Spans, slopes: _Slopes, begin: Array, z: Array, width: int) -> tuple[Places, Array, Places, Array]:
    """Give all pixels of the spans: index into the picture, number in the span, span, nearness.

    ``begin`` (S, 2) is from :func:`_at_first`, ``z`` (T, 3) the nearness of the triangles' corners.
    """
    edges = z[:, 1:] - z[:, :1]
    near = z[:, 0][spans.owner] + _inner(begin, np.take(edges, spans.owner, axis=0))
    lean = _inner(slopes.by_x, edges)[spans.owner]
    span = np.repeat(np.arange(len(spans.owner)), spans.length)
    start = np.cumsum(spans.length) - spans.length
    along = np.arange(len(span)) - start[span]
    flat = (spans.y * width + spans.first)[span] + along
    steps = along.astype(np.float32)
    return flat, steps, span, np.asarray(near[span] + steps * lean[span], dtype=np.float32)


def _nearest(nearness: Array, flat: Places, size: int) -> tuple[Array, Places]:
    """Give the nearness of each pixel of the picture (size,), and which of the listed pixels are seen."""
    buffer = np.full(size, -np.inf, np.float32)
    np.maximum.at(buffer, flat, nearness)
    seen = np.flatnonzero(nearness == buffer[flat])
    winner = np.full(size, -1, np.intp)
    winner[flat[seen]] = seen  # one of those that are equally near
    return buffer, winner[winner >= 0]


def _mixed(attributes: Array, triangles: Places, owner: Places, shares: Array) -> Array:
    """Give the attributes (P, A) inside triangles ``owner`` (P,), by barycentric coordinates (P, 2)."""
    first, second, third = (attributes[triangles[:, k]] for k in range(3))
    mixed = np.take(first, owner, axis=0)
    mixed += shares[:, :1] * np.take(second - first, owner, axis=0)
    mixed += shares[:, 1:] * np.take(third - first, owner, axis=0)
    return mixed
