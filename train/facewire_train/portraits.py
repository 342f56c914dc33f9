"""Draw labelled and predicted faces as small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from facewire_edge.geometry import CropTransform
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

from facewire_train.images import read_labelled
from facewire_train.labels import Sample, labelled_points
from facewire_train.page import picture

SIDE_PX = 208  # of a picture: half of it again on a telephone's fine screen
QUALITY = 82  # of the JPEG
WIDER = 1.25  # than the crop that a network sees
TRUE_COLOUR, SAID_COLOUR, FILLED_COLOUR = (70, 230, 90), (255, 70, 60), (255, 190, 40)  # RGB


def portrait(
    sample: Sample,
    schema: LandmarkSchema,
    caption: str,
    said: NDArray[np.float32] | None = None,
) -> str:
    """Give a face as HTML: labels green, points that a model filled in yellow, what a model ``said`` red."""
    image = read_labelled(sample)
    crop = _crop_around(sample)
    tile = np.ascontiguousarray(crop.warp(image))
    marked = [(sample.points, TRUE_COLOUR)] + ([(said, SAID_COLOUR)] if said is not None else [])
    for points, colour in marked:
        draw_points(tile, crop.to_crop(points), schema, colour)
    if sample.filled:
        draw_dots(tile, crop.to_crop(sample.points[sorted(sample.filled)]), FILLED_COLOUR)
    return picture(jpeg(tile), "image/jpeg", caption, f"face: {caption}")


def draw_points(
    tile: NDArray[np.uint8], points: NDArray[np.float32], schema: LandmarkSchema, colour: tuple[int, int, int]
) -> None:
    """Draw contours thinly and points as dots."""
    faint = tuple(int(0.6 * c) for c in colour)
    for contour in schema.contours:
        indices = [*contour.indices, *(contour.indices[:1] if contour.closed else ())]
        for a, b in pairwise(indices):
            if labelled_points(points[[a, b]]).all():
                cv2.line(tile, _pixel(points[a]), _pixel(points[b]), faint, 1, cv2.LINE_AA)
    draw_dots(tile, points, colour)


def draw_dots(tile: NDArray[np.uint8], points: NDArray[np.float32], colour: tuple[int, int, int]) -> None:
    """Draw each labelled point as a dot."""
    for point in points[labelled_points(points)]:
        cv2.circle(tile, _pixel(point), 2, colour, -1, cv2.LINE_AA)


def jpeg(tile: NDArray[np.uint8]) -> bytes:
    """Give an RGB picture as JPEG."""
    return bytes(cv2.imencode(".jpg", tile[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])


def _crop_around(sample: Sample) -> CropTransform:
    """Give the upright square on box and points."""
    known = sample.points[labelled_points(sample.points)]
    corners = np.array([[sample.box.x0, sample.box.y0], [sample.box.x1, sample.box.y1]])
    low, high = (f(np.concatenate([known, corners]), axis=0) for f in (np.min, np.max))
    x, y = (low + high) / 2
    return CropTransform(float(x), float(y), float(max(high - low)) * WIDER, 0.0, SIDE_PX)


def _pixel(point: Sequence[float] | NDArray[np.float32]) -> tuple[int, int]:
    x, y = np.clip(np.asarray(point, dtype=np.float64), -(1 << 14), 1 << 14)
    return round(float(x)), round(float(y))
