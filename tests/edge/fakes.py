"""Stand-ins for the two networks: they find white squares, so that any picture can be made."""

import numpy as np
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.schema import POINTS5
from facewire_edge.types import Detection, Image, Look, Points

# Five points of a face whose tight box is the unit square around its middle.
SHAPE = np.array([[-0.5, -0.5], [0.5, -0.5], [0, 0], [-0.4, 0.5], [0.4, 0.5]], np.float32)
GREY_LEVELS = range(250, 200, -10)  # one for each face


def picture(*faces: tuple[float, float, float], width: int = 200, height: int = 100) -> Image:
    """Draw a square of its own grey level for each (x, y, side); a side of 0 leaves the face out."""
    image = np.zeros((height, width, 3), np.uint8)
    for level, (x, y, side) in zip(GREY_LEVELS, faces, strict=False):
        half = side / 2
        image[max(0, round(y - half)) : round(y + half), max(0, round(x - half)) : round(x + half)] = level
    return image


def face_of(image: Image, level: int) -> tuple[Points, Box] | None:
    ys, xs = np.nonzero(image[:, :, 0] == level)
    if len(xs) == 0:
        return None
    box = Box(float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
    points = np.array(box.centre, np.float32) + SHAPE * np.array([box.width, box.height], np.float32)
    return points.astype(np.float32), box


class Detector:
    """Find every square; count the calls."""

    def __init__(self, faint: bool = False) -> None:
        self.calls = 0
        self.blind, self.faint, self.score = False, faint, 0.9

    def __call__(self, image: Image) -> list[Detection]:
        self.calls += 1
        if self.blind:
            return []
        found = [face_of(image, level) for level in GREY_LEVELS]
        return [Detection(box, self.score, points, self.faint) for points, box in (f for f in found if f is not None)]


class Landmarks:
    """Find the square that the crop's middle looks at."""

    def __init__(self) -> None:
        self.crop_ns = 0
        self.schema = POINTS5

    def crop_of_detection(self, detection: Detection) -> CropTransform:
        return CropTransform.from_box(Box.around(detection.points5), 64)

    def crop_of_box(self, detection: Detection) -> CropTransform:
        return CropTransform.from_box(detection.box, 64)

    def crop_of_landmarks(self, points: Points) -> CropTransform:
        return CropTransform.from_box(Box.around(points), 64)

    def box_of(self, points: Points) -> Box:
        return Box.around(points)

    def __call__(self, image: Image, crop: CropTransform) -> Look:
        x, y = round(crop.x), round(crop.y)
        inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
        found = face_of(image, int(image[y, x, 0])) if inside and image[y, x, 0] else None
        if found is None:
            return Look((np.array([crop.x, crop.y], np.float32) + SHAPE * 10).astype(np.float32), 0.0)
        return Look(found[0], 0.999, np.full(len(SHAPE), 2.0, np.float32))
