"""Read images as RGB: files, and pictures that lie in a row of a table."""

from pathlib import Path

import cv2
import numpy as np
from facewire_edge.errors import DataError
from numpy.typing import NDArray

from facewire_train.labels import Pictured, refuse_other_size
from facewire_train.tables import cell_at, line_at

ROW_MARK = "#"  # `training.csv#4711`: the picture in the row that starts at this byte of the table
PIXELS = "Image"  # the table's column that holds the pictures


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file, or a table's row, as (H, W, 3) uint8 RGB.

    Raises:
        DataError: the file is missing or is no image.

    """
    data = np.frombuffer(image_bytes(path), np.uint8)
    if is_row(path):
        grey = row_pixels(data.tobytes(), path)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise DataError(
            f"{path} is no image that OpenCV can read ({len(data)} bytes); replace it or take it off the list"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def read_labelled(sample: Pictured) -> NDArray[np.uint8]:
    """Read the image of a face, or a background, as :func:`read_image` does.

    Raises:
        DataError: also where it is not as large as the one that was labelled.

    """
    image = read_image(sample.image)
    refuse_other_size(sample, image.shape[1], image.shape[0])
    return image


def image_bytes(path: Path) -> bytes:
    """Give an image's bytes as they are stored: of the file, or the cell of its row.

    Raises:
        DataError: the file cannot be read, or the table has changed since its rows were listed.

    """
    try:
        if not is_row(path):
            return path.read_bytes()
        return cell_at(*_table_and_start(path), PIXELS).encode()
    except OSError as error:
        raise DataError(f"cannot read image {path}: {error.strerror}") from error


def is_row(path: Path) -> bool:
    """Say whether a path names a picture in a table."""
    return f".csv{ROW_MARK}" in path.name


def place_of(path: Path) -> str:
    """Name an image for somebody who looks for it: a file by its name, a row by table and line."""
    if not is_row(path):
        return path.name
    table, start = _table_and_start(path)
    return f"{table.name}:{line_at(table, start)}"


def row_pixels(cell: bytes, path: Path) -> NDArray[np.uint8]:
    """Give the square grey picture (S, S) of a cell of numbers.

    Raises:
        DataError: the numbers are no square picture.

    """
    try:
        values = np.array(cell.decode(errors="replace").split(), dtype=np.int64)
    except ValueError as error:
        where = path.with_name(place_of(path))
        raise DataError(f"{where}: the picture's cell holds something that is no number ({error})") from error
    side = int(np.sqrt(len(values)))
    if not side or side * side != len(values) or values.min() < 0 or values.max() > 255:
        where = path.with_name(place_of(path))
        raise DataError(f"{where}: {len(values)} pixels, expected a square of numbers from 0 to 255 (96x96)")
    return np.asarray(values.reshape(side, side), dtype=np.uint8)


def _table_and_start(path: Path) -> tuple[Path, int]:
    name, _, start = path.name.rpartition(ROW_MARK)
    return path.with_name(name), int(start)


def shrunk(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Average an image down by about ``factor``: its edges stay its edges, as sizes are whole.

    Given the factor itself, OpenCV leaves over what does not fill a pixel.
    """
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
