"""Choose the representative inputs that int8 ranges are measured on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.detect import FaceDetector, letterbox
from facewire_edge.errors import DataError, ModelError
from facewire_edge.types import Detection, Image
from facewire_train.augment import augment_off_face, jitter, photometric
from facewire_train.config import AugmentConfig
from facewire_train.datasets import IMAGE_SUFFIXES, Sample, find_format, names_format, read_dataset
from facewire_train.evaluate import truth5_crop
from facewire_train.five_points import shipped_detector
from facewire_train.folders import files_under
from facewire_train.images import image_bytes, read_image, read_labelled
from facewire_train.labels import group_by_image
from facewire_train.off_face import cut_off_face
from numpy.typing import NDArray

log = logging.getLogger(__name__)

MAX_FACES = 200  # each gives two crops: 300 to 1,000 in all are what published recipes use
MAX_IMAGES = 200  # of a detector, each given twice
# Wider than in training: a range that fits the usual crop alone cuts what one that lies far off needs. With the jitter
# of training, int8 made 3.75 % of 3.45 % on LFPW's upright boxes, and failed on three faces (2026-11-22).
CHANGES = AugmentConfig(rotation_deg=18.0, log_scale=0.08, shift=0.05)
OFF_FACE_SHARE = 0.12  # of the crops; presence must also be calibrated where it says no
OFF_FACE_TRIES = 4  # pictures looked at for each off-face crop that is wanted
MOSAIC_SIDE = 2  # images beside each other in a mosaic: small faces
SEED = 20_260

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Hold the representative inputs and where they come from."""

    images: NDArray[np.uint8]  # (S, H, W, 3) RGB, of the model's input size
    counts: dict[str, int]  # kind of input -> how many
    sources: dict[str, Path]  # SHA-256 of each image file that was used -> the file


def calibrate(path: Path, card: ModelCard, detector: FaceDetector | None = None) -> Calibration:
    """Cut the representative inputs of a model out of a folder.

    Args:
        path: a labelled set in any format that training reads, or a folder of images without labels.
        card: of the model.
        detector: finds the faces of unlabelled images; default: the shipped one.

    Raises:
        DataError: the folder is missing, holds no image, or no face is found in it.
        ModelError: faces must be found and there is no detector.

    """
    rng = np.random.default_rng(SEED)
    inputs = _detector_inputs(path, card, rng) if card.kind == "detector" else _crops(path, card, rng, detector)
    shape = (card.input.height, card.input.width, 3)
    flat = [np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)]  # the whole input range, see the card
    inputs = Inputs({**inputs.groups, "black and white": flat}, inputs.files)
    counts = {name: len(group) for name, group in inputs.groups.items()}
    log.info("calibration: %s from %s", ", ".join(f"{n} {name}" for name, n in counts.items()), path)
    return Calibration(
        np.stack([image for group in inputs.groups.values() for image in group]),
        counts,
        {file_hash(file): file for file in inputs.files},
    )


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Hold groups of inputs by kind, and the files that they were cut from."""

    groups: dict[str, list[Image]]
    files: tuple[Path, ...]


def file_hash(path: Path) -> str:
    """Give the SHA-256 of an image's bytes."""
    return hashlib.sha256(image_bytes(path)).hexdigest()


def is_labelled(path: Path) -> bool:
    """Say whether a folder is a labelled set rather than loose images."""
    return names_format(path) or (path.is_dir() and find_format(path) is not None)


def image_files(path: Path) -> tuple[Path, ...]:
    """Give all images under a folder in the order of their names.

    Raises:
        DataError: there is no such folder, or no image in it.

    """
    if not path.is_dir():
        raise DataError(f"no calibration folder {path}; expected a labelled set or a folder of .jpg images")
    found = tuple(f for f in files_under(path, "*") if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file())
    if not found:
        raise DataError(f"no image in {path}; expected at least a few dozen of {', '.join(IMAGE_SUFFIXES)}")
    return found


def training_samples(path: Path) -> tuple[Sample, ...]:
    """Give the training faces of a labelled set, or all where it has none: what is held back stays for the gate."""
    samples = tuple(s for s in read_dataset(path).samples if not s.ignore)
    return tuple(s for s in samples if s.split == "train") or samples


def detected_samples(files_: Sequence[Path], detector: FaceDetector) -> tuple[Sample, ...]:
    """Find the faces of unlabelled images."""
    return tuple(_detected(file, d) for file in files_ for d in detector(read_image(file)))


def _device_detector() -> FaceDetector:
    try:
        return shipped_detector()
    except ModelError as error:
        raise ModelError(f"unlabelled calibration images need the face detector: {error}") from error


def _detected(file: Path, detection: Detection) -> Sample:
    return Sample(
        image=file,
        box=detection.box,
        points=np.full((0, 2), np.nan, np.float32),
        visible=np.zeros(0, bool),
        points5=detection.points5,
        split="train",
        subset=file.parent.name,
        subject=file.name,
        source=str(file.parent),
    )


def _crops(path: Path, card: ModelCard, rng: np.random.Generator, detector: FaceDetector | None) -> Inputs:
    """Give what a landmark model sees: faces as the device crops them, changed ones, and no faces."""
    if is_labelled(path):
        faces = tuple(s for s in training_samples(path) if can_be_cropped(s, card))
    else:
        faces = detected_samples(_drawn(image_files(path), MAX_FACES, rng), detector or _device_detector())
    if not faces:
        raise DataError(f"no face in {path}; add images of faces like those that the device will see")
    faces = _drawn(faces, MAX_FACES, rng)
    plain, changed = [], []
    for face in faces:
        image, crop = read_labelled(face), truth5_crop(face, card)
        plain.append(crop.warp(image))
        changed.append(photometric(jitter(crop, CHANGES, rng).warp(image), CHANGES, rng))
    wanted = max(1, round(2 * len(faces) * OFF_FACE_SHARE / (1 - OFF_FACE_SHARE)))
    off_face = list(_off_face(faces, card, rng, wanted))
    if len(off_face) < wanted:
        log.warning("only %d of %d off-face crops: the faces fill their images; add wider ones", len(off_face), wanted)
    groups = {"faces": plain, "changed faces": changed, "off-face crops": off_face}
    return Inputs(groups, tuple(dict.fromkeys(face.image for face in faces)))


def can_be_cropped(sample: Sample, card: ModelCard) -> bool:
    """Say whether the canonical crop can be had from the five points or from all points of the model's own schema."""
    assert card.schema is not None
    five = sample.points5 is not None and int(np.isfinite(sample.points5).all(axis=1).sum()) > 1
    own = len(sample.points) == card.schema.n and int(np.isfinite(sample.points).all(axis=1).sum()) > 1
    return five or own


def _off_face(faces: Sequence[Sample], card: ModelCard, rng: np.random.Generator, wanted: int) -> Iterator[Image]:
    by_image = group_by_image(faces)
    pictures = list(by_image)
    for number in range(wanted * OFF_FACE_TRIES):
        file = pictures[number % len(pictures)]
        cut = cut_off_face(read_image(file), by_image[file], card.input.width, rng)
        if cut is not None:
            yield augment_off_face(cut, card.input.width, CHANGES, rng)
            wanted -= 1
        if not wanted:
            return


def _detector_inputs(path: Path, card: ModelCard, rng: np.random.Generator) -> Inputs:
    """Give what a detector sees: whole images, changed ones, and mosaics of small ones."""
    chosen = _drawn(_whole_images(path), MAX_IMAGES, rng)
    plain = [letterbox(read_image(file), card.input.width, card.input.height)[0] for file in chosen]
    changed = [photometric(image.copy(), CHANGES, rng) for image in plain]
    per_mosaic = MOSAIC_SIDE**2
    mosaics = [_mosaic(plain[i : i + per_mosaic]) for i in range(0, len(plain) - per_mosaic + 1, per_mosaic)]
    return Inputs({"images": plain, "changed images": changed, "mosaics": mosaics}, chosen)


def _whole_images(path: Path) -> tuple[Path, ...]:
    if not is_labelled(path):
        return image_files(path)
    return tuple(dict.fromkeys(s.image for s in training_samples(path)))


def _mosaic(images: Sequence[Image]) -> Image:
    """Lay ``MOSAIC_SIDE`` squared images of one size into one of the same size."""
    height, width = images[0].shape[:2]
    mosaic = np.zeros_like(images[0])
    h, w = height // MOSAIC_SIDE, width // MOSAIC_SIDE
    for i, image in enumerate(images):
        y, x = i // MOSAIC_SIDE * h, i % MOSAIC_SIDE * w
        mosaic[y : y + h, x : x + w] = letterbox(image, w, h)[0]
    return mosaic


def _drawn(items: Sequence[T], limit: int, rng: np.random.Generator) -> tuple[T, ...]:
    """Draw at most ``limit`` items without repetition; few enough stay as they are."""
    if len(items) <= limit:
        return tuple(items)
    return tuple(items[int(i)] for i in np.sort(rng.choice(len(items), limit, replace=False)))
