"""Read images as RGB."""

from pathlib import Path

import cv2
import numpy as np
from facewire_edge.errors import DataError
from numpy.typing import NDArray


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8 RGB.

    Raises:
        DataError: the file is missing or is no image.

    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"cannot read image {path}: {error.strerror}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise DataError(
            f"{path} is no image that OpenCV can read ({len(data)} bytes); replace it or take it off the list"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
