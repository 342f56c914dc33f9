import numpy as np
import pytest
from facewire_edge.card import DetectorSpec
from facewire_edge.detect import NMS_INSIDE, NMS_IOU, blended, cell_grid, decode, letterbox, suppress
from facewire_edge.geometry import Box
from hypothesis import given
from hypothesis import strategies as st

GRID = cell_grid(DetectorSpec((8, 16), (20.0, 48.0)), 64, 48)


def test_grid_lists_every_cell_of_every_level() -> None:
    assert GRID.shape == (8 * 6 + 4 * 3, 3)
    assert GRID[0].tolist() == [3.5, 3.5, 20]
    assert GRID[-1].tolist() == [55.5, 39.5, 48]


def test_decoding_puts_box_and_points_around_the_cell() -> None:
    k = len(GRID)
    logits, boxes, points = np.full((k, 1), -9.0), np.zeros((k, 4)), np.zeros((k, 10))
    logits[5], boxes[5] = 3, [0.5, 0, np.log(2), 0]
    scores, found, five = decode(*(a.astype(np.float32) for a in (logits, boxes, points)), grid=GRID, min_score=0.5)
    x, y, r = GRID[5]
    assert scores[0] == pytest.approx(1 / (1 + np.exp(-3)))
    assert found[0] == pytest.approx([x + r / 2 - r, y - r / 2, x + r / 2 + r, y + r / 2])
    assert five[0] == pytest.approx(np.tile([x, y], (5, 1)))


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1920, 1080), (100, 900), (31, 17), (1, 1), (1, 999)])
def test_letterbox_keeps_the_aspect_and_maps_back(width: int, height: int) -> None:
    picture, scale = letterbox(np.full((height, width, 3), 200, np.uint8), 256, 192)
    assert picture.shape == (192, 256, 3)
    ys, xs = np.nonzero(picture[:, :, 0])
    assert xs.max() + 1 == pytest.approx(width * scale, abs=1)
    assert ys.max() + 1 == pytest.approx(height * scale, abs=1)


@pytest.mark.parametrize("width", [384, 640, 1024, 1280])
def test_letterbox_averages_what_is_too_fine_for_it(width: int) -> None:
    stripes = np.zeros((width * 3 // 4, width, 3), np.uint8)
    stripes[:, ::2] = 200
    picture, _ = letterbox(stripes, 256, 192)
    assert np.abs(picture.astype(int) - 100).max() <= 2  # grey levels: each halving rounds


boxes = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40)), max_size=15)


def same_face(box: Box, better: Box) -> bool:
    x = min(box.x1, better.x1) - max(box.x0, better.x0)
    y = min(box.y1, better.y1) - max(box.y0, better.y0)
    overlap = max(0.0, x) * max(0.0, y)
    union = box.area + better.area - overlap
    # In whole tenths: 0.7 * 90 is below 63 in double precision, and a tie would depend on the rounding.
    return 10 * overlap > round(10 * NMS_IOU) * union or 10 * overlap > round(10 * NMS_INSIDE) * min(
        box.area, better.area
    )


def test_small_box_within_a_better_one_is_the_same_face() -> None:
    nested = np.array([[0, 0, 100, 100], [20, 20, 78, 78]], np.float32)
    assert suppress(nested, np.array([0.9, 0.8], np.float32)).tolist() == [0]


@given(boxes)
def test_suppression_equals_the_plain_rule(sizes: list[tuple[int, int, int, int]]) -> None:
    array = np.array([(x, y, x + w, y + h) for x, y, w, h in sizes], np.float32).reshape(-1, 4)
    kept: list[int] = []
    for i, box in enumerate(array):
        if not any(same_face(Box(*box.tolist()), Box(*array[j].tolist())) for j in kept):
            kept.append(i)
    assert suppress(array, np.linspace(1, 0.5, len(array)).astype(np.float32)).tolist() == kept


def test_what_neighbouring_cells_say_of_one_face_is_averaged_by_their_odds() -> None:
    boxes = np.array([[0, 0, 40, 40], [4, 0, 44, 40], [100, 0, 140, 40], [25, 0, 65, 40]], np.float32)
    points = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 5, 2), np.float32)
    middles, fives = blended(np.array([0, 2]), boxes, np.array([0.75, 0.5, 0.9, 0.6], np.float32), points)
    assert middles == pytest.approx(np.array([[1, 0, 41, 40], [100, 0, 140, 40]]), abs=1e-4)  # 3 parts to 1
    assert fives[:, 0, 0] == pytest.approx([0.25, 2], abs=1e-4)


def test_blending_nothing_gives_nothing() -> None:
    none = np.zeros(0, np.int64)
    boxes, points = blended(
        none, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )
    assert (boxes.shape, points.shape) == ((0, 4), (0, 5, 2))
