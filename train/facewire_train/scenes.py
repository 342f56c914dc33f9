"""Pictures for the detector: whole images with all that is known of their faces, composed at random scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from facewire_edge.geometry import Box
from facewire_edge.schema import POINTS5
from numpy.typing import NDArray

from facewire_train.augment import photometric
from facewire_train.config import AugmentConfig
from facewire_train.faces import face_box
from facewire_train.images import read_labelled, shrunk
from facewire_train.labels import Background, Pictured, Sample, group_by_image
from facewire_train.teacher import Teacher

LONGEST_PX = 512  # larger images are shrunk when they are loaded: no crop needs more
SMALLEST_FACE, LARGEST_FACE = 0.05, 1.2  # of the picture's height
LEAN = 0.5  # to the large ones, whose points are measured; 1: log-uniform
MOSAIC = 0.25  # share of pictures made of four
LEAST_COVER = 0.6  # a scene fills at least this part of the picture's smaller side: black teaches little
MAX_ENLARGE = 3.0  # of an image; beyond it pixels are blocks
ANYWHERE = 0.2  # share of complete images shown around any place of theirs, mostly without a face
KNOWN_AROUND = 1.0  # in an incomplete image, the background is known this many face sizes around a labelled face
ROTATION = 0.15  # radians, standard deviation
TURNED = 0.3  # share of scenes turned further, evenly up to FURTHEST: who lies down is looked for too
FURTHEST = 1.9  # radians
TINY_PX = 7.0  # a smaller face is neither wanted nor background


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Hold an image and its faces in its pixels."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]  # (M, 4) in the face convention
    points: NDArray[np.float32]  # (M, 5, 2), NaN where unknown
    wanted: NDArray[np.bool_]  # (M,) False: neither wanted nor background
    complete: bool  # every face is listed
    chances: NDArray[np.float64] | None = (
        None  # (M,) of each face to be the one shown, sum 1; None: of the wanted, equal
    )


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Hold a composed network input: a scene whose background is known only where ``known`` says."""

    image: NDArray[np.uint8]  # (H, W, 3)
    boxes: NDArray[np.float32]  # (M, 4)
    points: NDArray[np.float32]  # (M, 5, 2)
    wanted: NDArray[np.bool_]  # (M,)
    known: NDArray[np.bool_]  # (H, W)


def load_scenes(
    samples: Sequence[Sample], teacher: Teacher | None = None, empty: Sequence[Background] = ()
) -> list[Scene]:
    """Read all images once, shrunk to ``LONGEST_PX``; a teacher completes those whose faces are not all listed."""
    scenes = [_load(faces[0], faces, faces[0].complete) for faces in group_by_image(samples).values()]
    scenes = [scene if scene.complete or teacher is None else completed(scene, teacher) for scene in scenes]
    return scenes + [_load(background, (), complete=True) for background in empty]


def completed(scene: Scene, teacher: Teacher) -> Scene:
    """Add the faces that a teacher sees beside the listed ones, neither wanted nor background."""
    found = teacher.unlabelled(scene.image, [Box(*(float(v) for v in box)) for box in scene.boxes])
    boxes = np.array([(b.x0, b.y0, b.x1, b.y1) for b in found], np.float32).reshape(-1, 4)
    return Scene(
        scene.image,
        np.concatenate([scene.boxes, boxes]),
        np.concatenate([scene.points, np.full((len(found), 5, 2), np.nan, np.float32)]),
        np.concatenate([scene.wanted, np.zeros(len(found), bool)]),
        complete=True,
    )


def _load(pictured: Pictured, faces: Sequence[Sample], complete: bool) -> Scene:
    image = read_labelled(pictured)
    scale = min(1.0, LONGEST_PX / max(image.shape[:2]))
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    blank = np.full((5, 2), np.nan, np.float32)
    boxes = [(b.x0, b.y0, b.x1, b.y1) for b in (face_box(f).scaled(scale) for f in faces)]
    points = np.array([blank if f.points5 is None else f.points5 for f in faces], np.float32).reshape(-1, 5, 2)
    return Scene(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        ((points + 0.5) * scale - 0.5).astype(np.float32),
        np.array([not f.ignore for f in faces], bool),
        complete,
    )


def compose(
    scenes: Sequence[Scene], first: int, width: int, height: int, config: AugmentConfig, rng: np.random.Generator
) -> Picture:
    """Give a picture around a face of ``scenes[first]``, or a mosaic of it and three others."""
    if rng.random() < MOSAIC:
        others = [int(i) for i in rng.integers(len(scenes), size=3)]
        quarters = [place(scenes[i], width // 2, height // 2, rng) for i in (first, *others)]
        picture = _mosaic(quarters, width // 2, height // 2)
    else:
        picture = place(scenes[first], width, height, rng)
    if rng.random() < config.flip:
        picture = _flipped(picture)
    image = photometric(picture.image, config, rng)
    return Picture(image, picture.boxes, picture.points, picture.wanted, picture.known)


def place(scene: Scene, width: int, height: int, rng: np.random.Generator) -> Picture:
    """Give the scene turned, scaled and moved so that one of its faces has a random size and place."""
    face = scene.boxes[_shown(scene, rng)] if len(scene.boxes) else _anything(scene, rng)
    face_size = float(np.sqrt((face[2] - face[0]) * (face[3] - face[1])))
    if scene.complete and rng.random() < ANYWHERE:
        shift = rng.uniform(0, 1, 2) * scene.image.shape[1::-1] - face[:2]
        face = face + np.tile(shift.astype(np.float32), 2)
    wanted = height * SMALLEST_FACE * float((LARGEST_FACE / SMALLEST_FACE) ** (rng.random() ** LEAN))
    least = LEAST_COVER * min(width / scene.image.shape[1], height / scene.image.shape[0])
    scale = min(max(wanted / max(face_size, 1.0), least), MAX_ENLARGE)
    angle = float(rng.uniform(-FURTHEST, FURTHEST) if rng.random() < TURNED else rng.normal(0, ROTATION))
    matrix = _matrix(face, scale, angle, width, height, rng)
    source, source_matrix = _prefiltered(scene.image, matrix, scale)
    image = cv2.warpAffine(source, source_matrix, (width, height), flags=cv2.INTER_LINEAR)
    boxes, points = _moved(scene.boxes, matrix), scene.points @ matrix[:, :2].T + matrix[:, 2]
    known = np.ones((height, width), bool)
    if not scene.complete:
        known = _known(boxes, width, height)
    return Picture(np.asarray(image, np.uint8), boxes, points.astype(np.float32), scene.wanted, known)


def _anything(scene: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Give the box of anything in an image without a face, as large as faces are."""
    height, width = scene.image.shape[:2]
    side = float(np.exp(rng.uniform(np.log(0.1), np.log(0.8)))) * min(width, height)
    x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
    return np.array([x, y, x + side, y + side], np.float32)


def _shown(scene: Scene, rng: np.random.Generator) -> int:
    if not scene.wanted.any():
        return 0
    chances = scene.wanted / scene.wanted.sum() if scene.chances is None else scene.chances
    return int(rng.choice(len(scene.boxes), p=chances))


def _matrix(
    face: NDArray[np.float32], scale: float, angle: float, width: int, height: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    centre = np.array([(face[0] + face[2]) / 2, (face[1] + face[3]) / 2])
    target = np.array([rng.uniform(0.05, 0.95) * width, rng.uniform(0.05, 0.95) * height], np.float32)
    return np.column_stack([linear, target - linear @ centre])


def _prefiltered(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Average down before a strong reduction, which bilinear sampling would alias."""
    if scale > 0.5:
        return image, matrix
    factor = max(scale * 1.2, 4 / min(image.shape[:2]))
    small = shrunk(image, factor)
    fx, fy = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
    back = np.array([[1 / fx, 0, 0.5 / fx - 0.5], [0, 1 / fy, 0.5 / fy - 0.5], [0, 0, 1]])
    return np.asarray(small, np.uint8), matrix @ back


def _moved(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the boxes around the turned ellipses that the boxes hold: heads are round."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (matrix[:, :2] ** 2).T)
    return np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32)


def _known(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    known = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        dx, dy = KNOWN_AROUND * (x1 - x0), KNOWN_AROUND * (y1 - y0)
        known[max(0, int(y0 - dy)) : max(0, int(y1 + dy)), max(0, int(x0 - dx)) : max(0, int(x1 + dx))] = True
    return known


def _mosaic(quarters: Sequence[Picture], width: int, height: int) -> Picture:
    image = np.zeros((2 * height, 2 * width, 3), np.uint8)
    known = np.zeros((2 * height, 2 * width), bool)
    boxes, points, wanted = [], [], []
    for number, quarter in enumerate(quarters):
        x, y = (number % 2) * width, (number // 2) * height
        image[y : y + height, x : x + width] = quarter.image
        known[y : y + height, x : x + width] = quarter.known
        centres = (quarter.boxes[:, :2] + quarter.boxes[:, 2:]) / 2
        inside = ((centres > 0) & (centres < (width, height))).all(axis=1)  # of the quarter: else it is not seen
        boxes.append(quarter.boxes[inside] + np.array([x, y, x, y], np.float32))
        points.append(quarter.points[inside] + np.array([x, y], np.float32))
        wanted.append(quarter.wanted[inside])
    return Picture(image, np.concatenate(boxes), np.concatenate(points), np.concatenate(wanted), known)


def _flipped(picture: Picture) -> Picture:
    right = picture.image.shape[1] - 1
    boxes = picture.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32) + np.array(
        [right, 0, right, 0], np.float32
    )
    points = picture.points[:, POINTS5.mirror] * np.array([-1, 1], np.float32) + np.array([right, 0], np.float32)
    return Picture(
        np.ascontiguousarray(picture.image[:, ::-1]),
        boxes.astype(np.float32),
        points.astype(np.float32),
        picture.wanted,
        picture.known[:, ::-1],
    )
