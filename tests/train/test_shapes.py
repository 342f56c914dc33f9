from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.schema import IBUG68
from facewire_train.datasets import read_dataset
from facewire_train.head import mean_head
from facewire_train.shapes import mean_shape


def test_mean_shape_is_upright_symmetric_and_fills_the_crop_by_its_margin(faces: Path) -> None:
    mean = mean_shape([s.points for s in read_dataset(faces).samples], IBUG68, 1.25)
    box = Box.around(mean)
    assert np.allclose(mean[IBUG68.mirror] * [-1, 1] + [1, 0], mean, atol=1e-5)
    assert max(box.width, box.height) * 1.25 == 1.0 or abs(max(box.width, box.height) * 1.25 - 1) < 1e-5
    assert np.allclose(box.centre, 0.5, atol=1e-5)


def test_mean_of_turned_and_scaled_copies_is_the_shape_itself() -> None:
    shape = mean_head()[:, :2].astype(np.float32)
    copies = [CropTransform(30, 20, side, angle, 100).from_units(shape) for side, angle in ((50, 0.3), (90, -0.4))]
    mean = mean_shape(copies, IBUG68, 1.25)
    again = CropTransform.from_landmarks(shape, mean, 1).to_units(shape)
    assert np.abs(again - mean).max() < 1e-4


@pytest.mark.parametrize(("point", "words"), [(33, ""), (31, "nostril_0' is mirrored to itself in schema ibug68")])
def test_point_that_its_mirror_does_not_meet_is_named(
    faces: Path, caplog: pytest.LogCaptureFixture, point: int, words: str
) -> None:
    mirror = IBUG68.mirror.copy()
    mirror[[point, mirror[point]]] = [point, mirror[point]]
    mean_shape([s.points for s in read_dataset(faces).samples], replace(IBUG68, mirror=mirror), 1.25)
    assert words in caplog.text if words else not caplog.text


def test_unlabelled_points_are_left_out_of_the_mean() -> None:
    shape = mean_head()[:, :2].astype(np.float32)
    partly = shape.copy()
    partly[:5] = np.nan
    assert np.abs(mean_shape([shape, partly], IBUG68, 1.25) - mean_shape([shape], IBUG68, 1.25)).max() < 1e-3
