"""Which inputs the int8 ranges are measured on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from facewire_convert.calibrate import calibrate, training_samples
from facewire_edge.card import DetectorSpec
from facewire_edge.errors import DataError, ModelError
from facewire_edge.geometry import Box
from facewire_edge.types import Detection, Image


def find_middle(image: Image) -> list[Detection]:
    """Stand in for a detector: one face in the middle of every image."""
    height, width = image.shape[:2]
    points = np.float32([[-12, -10], [12, -10], [0, 2], [-9, 13], [9, 13]]) + np.float32([width / 2, height / 2])
    return [Detection(Box(24, 18, 72, 78), 0.9, points)]


@pytest.fixture
def loose_images(conversion: Any, tmp_path: Path) -> Path:
    """Give a folder of images without labels, one of them in a folder of its own."""
    for number, file in enumerate(sorted((conversion.calibration_folder / "img").iterdir())[:6]):
        target = tmp_path / "loose" / ("more" if number == 0 else "") / f"{number}.JPG"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cv2.imencode(".jpg", cv2.imread(str(file)))[1].tobytes())
    return tmp_path / "loose"


def test_off_face_crops_are_about_an_eighth(conversion: Any) -> None:
    counts = conversion.calibration.counts
    crops = counts["faces"] + counts["changed faces"] + counts["off-face crops"]
    assert 0.10 <= counts["off-face crops"] / crops <= 0.15


def test_black_and_white_are_among_the_inputs(conversion: Any) -> None:
    flat = {int(i.min()) for i in conversion.calibration.images if i.min() == i.max()}
    assert {0, 255} <= flat


def test_inputs_have_the_size_of_the_model(conversion: Any) -> None:
    assert conversion.calibration.images.shape[1:] == (48, 48, 3)
    assert len(conversion.calibration.images) == sum(conversion.calibration.counts.values())


def test_held_back_faces_are_left_to_the_gate(conversion: Any) -> None:
    assert {s.split for s in training_samples(conversion.calibration_folder)} == {"train"}


def test_set_without_training_faces_is_used_whole(conversion: Any) -> None:
    assert len(training_samples(conversion.gate_folder)) == 50


def test_same_folder_gives_the_same_inputs(conversion: Any) -> None:
    again = calibrate(conversion.calibration_folder, conversion.checkpoint.card)
    np.testing.assert_array_equal(again.images, conversion.calibration.images)


def test_sources_are_hashes_of_the_files(conversion: Any) -> None:
    for digest, file in conversion.calibration.sources.items():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest


def test_unlabelled_images_are_cropped_by_the_detector(conversion: Any, loose_images: Path) -> None:
    calibration = calibrate(loose_images, conversion.checkpoint.card, find_middle)
    assert calibration.counts["faces"] == 6
    assert len(calibration.sources) == 6


def test_images_without_a_face_are_refused_in_one_line(conversion: Any, loose_images: Path) -> None:
    with pytest.raises(DataError, match="no face in") as caught:
        calibrate(loose_images, conversion.checkpoint.card, lambda image: [])
    assert "\n" not in str(caught.value)


def test_unlabelled_images_without_a_detector_are_refused(
    conversion: Any, loose_images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise ModelError("no model file models/none.tflite")

    monkeypatch.setattr("facewire_convert.calibrate.shipped_detector", none)
    with pytest.raises(ModelError, match="need the face detector"):
        calibrate(loose_images, conversion.checkpoint.card)


def test_empty_folder_is_refused(conversion: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image in"):
        calibrate(tmp_path, conversion.checkpoint.card, find_middle)


def test_missing_folder_is_refused(conversion: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no calibration folder"):
        calibrate(tmp_path / "none", conversion.checkpoint.card, find_middle)


def test_broken_image_is_named(conversion: Any, loose_images: Path) -> None:
    (loose_images / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        calibrate(loose_images, conversion.checkpoint.card, find_middle)


def test_detector_sees_whole_images_and_mosaics(conversion: Any, loose_images: Path) -> None:
    spec = replace(conversion.checkpoint.card.input, width=64, height=32)
    card = replace(conversion.checkpoint.card, kind="detector", input=spec, detector=DetectorSpec((8,), (16.0,)))
    calibration = calibrate(loose_images, card)
    assert calibration.counts == {"images": 6, "changed images": 6, "mosaics": 1, "black and white": 2}
    assert calibration.images.shape == (15, 32, 64, 3)
