"""What can be told of an image file without looking at its labels: size and perceptual hash."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from facewire_edge.errors import DataError
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from facewire_train.images import is_row, row_pixels

HASH_SIDE = 16
HASH_BITS = HASH_SIDE * HASH_SIDE
ORIENTATION_TAG, FIRST_TURNED = 0x0112, 5  # EXIF: from 5 on, width and height change places
REDUCED = tuple((by, getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{by}")) for by in (8, 4, 2))


@dataclass(frozen=True, slots=True, eq=False)
class ImageFacts:
    """Hold size, as :func:`facewire_train.images.read_image` gives it, and hash of an image."""

    width: int
    height: int
    hash: NDArray[np.bool_]  # (HASH_BITS,)


def image_facts(path: Path, data: bytes) -> ImageFacts:
    """Look at an image's bytes; a large JPEG is decoded at an eighth of its size.

    Raises:
        DataError: they are no image.

    """
    if is_row(path):
        grey = row_pixels(data, path)
        return ImageFacts(grey.shape[1], grey.shape[0], difference_hash(grey))
    width, height = _size(path, data)
    shrink = next((flag for by, flag in REDUCED if min(width, height) >= by * 4 * HASH_SIDE), cv2.IMREAD_GRAYSCALE)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), shrink)
    if image is None:
        raise DataError(f"{path} is no image that OpenCV can read; replace it or take it off the list")
    return ImageFacts(width, height, difference_hash(np.asarray(image, dtype=np.uint8)))


def difference_hash(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say for 16 by 16 fields of a grey picture whether it gets brighter to the right: (256,).

    Source: N. Krawetz 2013, "Kind of like that" (dHash).
    """
    small = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1], dtype=np.bool_).ravel()


def _size(path: Path, data: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            turned = image.getexif().get(ORIENTATION_TAG, 1) >= FIRST_TURNED
            return (image.height, image.width) if turned else (image.width, image.height)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "of no known kind" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(
            f"{path} is no image that can be read ({len(data)} bytes, {reason}); replace it or take it off the list"
        ) from error
