"""The box convention, the five points in it, and the crop of a detection."""

from math import radians

import numpy as np
import pytest
from facewire_edge.facebox import MEAN_POINTS5, WIDER, FaceFit, box_of_points5, points5_of_box
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.types import Detection, Points

SIZE = 112
PLACES = [CropTransform(200, 150, 90.0, radians(degrees), SIZE) for degrees in (-80, 0, 25)]


def test_points_of_a_box_lead_back_to_it() -> None:
    box = Box(10, 20, 91.3, 127.3)
    again = box_of_points5(points5_of_box(box))
    assert (again.x0, again.y0, again.x1, again.y1) == pytest.approx((10, 20, 91.3, 127.3), abs=0.05)


@pytest.mark.parametrize("place", PLACES)
def test_crop_is_that_of_points_and_box_where_they_agree(place: CropTransform) -> None:
    shape = (MEAN_POINTS5 * 0.6 + [0.1, 0.3]).astype(np.float32)  # of a crop in which the face lies aside
    points5 = place.from_units(shape)
    crop = FaceFit(shape, SIZE)(Detection(box_of_points5(points5), 1.0, points5))
    assert (crop.x, crop.y, crop.side_px) == pytest.approx((place.x, place.y, place.side_px), abs=0.01)
    assert crop.angle_rad == pytest.approx(place.angle_rad, abs=1e-4)


def test_box_holds_the_crop_of_a_profile_open() -> None:
    place = PLACES[1]
    points5 = place.from_units(MEAN_POINTS5)
    box = box_of_points5(points5)
    turned: Points = (points5 * [0.2, 1] + [0.8 * place.x, 0]).astype(np.float32)
    alone = CropTransform.from_points5(turned, MEAN_POINTS5, SIZE)
    crop = FaceFit(MEAN_POINTS5, SIZE)(Detection(box, 1.0, turned))
    assert alone.side_px < 0.8 * place.side_px
    assert crop.side_px == pytest.approx((alone.side_px * place.side_px) ** 0.5, rel=0.01)


def test_crop_by_the_box_heeds_the_points_for_its_turn_alone() -> None:
    place, astray = PLACES[2], (30, -20)
    points5 = place.from_units(MEAN_POINTS5)
    box = box_of_points5(points5)
    crop = FaceFit(MEAN_POINTS5, SIZE).by_box(Detection(box, 1.0, (points5 * 0.5 + astray).astype(np.float32)))
    assert (crop.x, crop.y, crop.side_px) == pytest.approx((place.x, place.y, WIDER * place.side_px), abs=0.01)
    assert crop.angle_rad == pytest.approx(place.angle_rad, abs=1e-4)


def test_box_without_area_still_gives_a_crop() -> None:
    crop = FaceFit(MEAN_POINTS5, SIZE)(Detection(Box(5, 5, 5, 5), 1.0, np.full((5, 2), 5, np.float32)))
    assert np.isfinite(crop.matrix).all()
