from functools import partial

import numpy as np
import pytest
from facewire_edge.geometry import Box, CropTransform, ShapeFit
from hypothesis import given
from hypothesis import strategies as st

floats = partial(st.floats, allow_subnormal=False)  # tflite-runtime's arm64 build flushes them to zero

crops = st.builds(
    CropTransform,
    x=floats(-100, 800),
    y=floats(-100, 600),
    side_px=floats(5, 900),
    angle_rad=floats(-3.1, 3.1),
    size=st.integers(32, 256),
)
points = st.lists(st.tuples(floats(-200, 900), floats(-200, 900)), min_size=1, max_size=5)


@given(crops, points)
def test_crop_and_back_is_the_identity(crop: CropTransform, places: list[tuple[float, float]]) -> None:
    array = np.array(places, np.float32)
    tolerance = 1e-3 * max(1.0, 900 / crop.side_px)  # float32 crop pixels of far points
    assert np.abs(crop.to_frame(crop.to_crop(array)) - array).max() < tolerance + 5e-2
    assert np.abs(crop.from_units(crop.to_units(array)) - array).max() < tolerance + 5e-2


@given(crops)
def test_centre_of_the_crop_is_the_centre_in_the_frame(crop: CropTransform) -> None:
    middle = crop.to_crop(np.array([[crop.x, crop.y]], np.float32))
    assert np.abs(middle - (crop.size - 1) / 2).max() < 5e-2


@given(crops)
def test_a_crop_on_the_grid_moves_no_corner_by_half_a_pixel_and_stays(crop: CropTransform) -> None:
    rounded = crop.on_grid()
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    apart = rounded.from_units(corners) - crop.from_units(corners)
    assert np.hypot(*apart.T).max() / crop.side_px * crop.size < 0.5
    again = rounded.on_grid()
    assert np.abs(again.from_units(corners) - rounded.from_units(corners)).max() < 1e-3


@pytest.mark.parametrize(("x", "y"), [(0, 50), (99, 50), (50, 0), (50, 99), (0, 0), (99, 99)])
def test_crop_crossing_an_edge_shows_its_dot_where_the_points_map(x: int, y: int) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    dot = np.array([[min(max(x, 8), 91), min(max(y, 8), 91)]], np.float32)
    image[int(dot[0, 1]) - 1 : int(dot[0, 1]) + 2, int(dot[0, 0]) - 1 : int(dot[0, 0]) + 2] = 255
    crop = CropTransform(x, y, 60, 0.4, 64)
    row, column = np.unravel_index(crop.warp(image)[:, :, 0].astype(int).argmax(), (64, 64))
    assert np.hypot(*(crop.to_crop(dot)[0] - (column, row))) < 2.5  # the dot is 3 pixels wide


@pytest.mark.parametrize("side", [100.0, 130.0, 260.0, 517.0])
def test_shrunk_crop_shows_a_blob_where_the_points_map(side: float) -> None:
    image = np.zeros((600, 600, 3), np.uint8)
    image[290:311, 340:361] = 255  # centre 350, 300
    crop = CropTransform(310, 280, side, -0.3, 50)
    found = crop.warp(image)[:, :, 0].astype(float)
    ys, xs = np.mgrid[0:50, 0:50]
    centroid = np.array([(xs * found).sum(), (ys * found).sum()]) / found.sum()
    assert np.abs(centroid - crop.to_crop(np.array([[350, 300]], np.float32))[0]).max() < 0.2


def test_crop_outside_the_frame_is_black() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    for side in (40.0, 400.0):
        assert CropTransform(900, 900, side, 0, 32).warp(image).max() == 0


@given(floats(-3, 3), floats(20, 500), floats(-50, 600), floats(-50, 600))
def test_canonical_crop_recovers_a_similarity(angle: float, side: float, x: float, y: float) -> None:
    mean = np.array([[0.3, 0.25], [0.7, 0.25], [0.5, 0.45], [0.35, 0.6], [0.65, 0.6]], np.float32)
    truth = CropTransform(x, y, side, angle, 112)
    placed = truth.from_units(mean)
    placed[2] = np.nan  # an unknown point is left out
    found = CropTransform.from_points5(placed, mean, 112)
    assert found.side_px == pytest.approx(side, rel=1e-3)
    assert (found.x, found.y) == pytest.approx((x, y), abs=0.05)
    assert np.cos(found.angle_rad - angle) == pytest.approx(1, abs=1e-4)


def test_canonical_crop_leaves_out_points_that_are_not_known() -> None:
    shape = np.random.default_rng(0).random((68, 2)).astype(np.float32)
    points = 90 * shape + np.float32(20)
    points[[3, 40]] = np.nan
    crop = ShapeFit(shape, 112)(points)
    assert (crop.x, crop.y, crop.side_px, crop.angle_rad) == pytest.approx((65, 65, 90, 0), abs=1e-3)


def test_iou_of_equal_apart_and_empty_boxes() -> None:
    box = Box(0, 0, 10, 10)
    assert box.iou(box) == 1
    assert box.iou(Box(20, 20, 30, 30)) == 0
    assert box.iou(Box(0, 0, 10, 5)) == 0.5
    assert Box(1, 1, 1, 1).iou(Box(1, 1, 1, 1)) == 0
