"""Preview pictures: small, and on demand without faces."""

from typing import Any

import cv2
import numpy as np
from facewire_edge.geometry import Box
from facewire_edge.preview import WIDTH, preview
from facewire_edge.types import Image
from numpy.typing import NDArray

RNG = np.random.default_rng(1)
NOISE = RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8)


def decoded(jpeg: bytes) -> Image:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def stripes(period_px: int) -> Image:
    columns = (np.arange(640) // (period_px // 2) % 2 * 255).astype(np.uint8)
    return np.broadcast_to(columns[None, :, None], (480, 640, 3)).copy()


def contrast(image: NDArray[Any]) -> float:
    return float(image.mean(axis=(0, 2)).std())


def test_plain_preview_keeps_colours_and_aspect_and_is_small() -> None:
    red = np.zeros((480, 640, 3), np.uint8)
    red[..., 0] = 255
    picture = decoded(preview(red, [], blurred=False))
    assert picture.shape == (360, WIDTH, 3)
    assert np.abs(picture.mean((0, 1)) - (255, 0, 0)).max() < 5


def test_small_picture_is_not_enlarged() -> None:
    assert decoded(preview(NOISE[:24, :32], [], blurred=True)).shape == (24, 32, 3)


def test_blurred_preview_hides_detail_where_no_face_was_found() -> None:
    fine = stripes(16)  # the eyes of a face of 60 px
    assert contrast(decoded(preview(fine, [], blurred=False))) > 100
    assert contrast(decoded(preview(fine, [], blurred=True))) < 40  # what is left is Moire


def test_blurred_preview_hides_a_large_face_and_forehead_and_chin_with_it() -> None:
    coarse = stripes(80)  # the eyes of a face of 300 px: they outlive the coarse picture
    shown = decoded(preview(coarse, [], blurred=True))
    hidden = decoded(preview(coarse, [Box(192, 144, 448, 336)], blurred=True))
    assert contrast(shown[40:320, 80:400]) > 60
    assert contrast(hidden[60:300, 90:390]) < 40


def test_face_outside_of_the_picture_is_no_error() -> None:
    for box in Box(-320, -240, 64, 48), Box(1280, 960, 1920, 1440), Box(-5760, -4320, 5760, 4320):
        assert preview(NOISE, [box], blurred=True)[:2] == b"\xff\xd8"
