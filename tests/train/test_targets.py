import cv2
import numpy as np
from facewire_edge.card import DetectorSpec
from facewire_edge.detect import cell_grid, decode
from facewire_train.config import AugmentConfig
from facewire_train.scenes import Picture, Scene, compose, place
from facewire_train.targets import encode

GRID = cell_grid(DetectorSpec((8, 16, 32), (20.0, 48.0, 112.0)), 256, 192)


def picture(boxes: list[list[float]], wanted: bool = True) -> Picture:
    array = np.array(boxes, np.float32)
    middle = (array[:, None, :2] + array[:, None, 2:]) / 2
    points = (middle + np.array([[-5, -5], [5, -5], [0, 0], [-4, 5], [4, 5]], np.float32)).astype(np.float32)
    image = np.zeros((192, 256, 3), np.uint8)
    return Picture(image, array, points, np.full(len(boxes), wanted), np.ones((192, 256), bool))


def test_decoding_the_targets_gives_back_every_face_of_any_size() -> None:
    for size in (10, 17, 30, 45, 70, 110, 180):
        box = [100 - size / 2, 96 - size / 2, 100 + size / 2, 96 + size / 2]
        target = encode(picture([box]), GRID)
        logits = np.where(target["scores"][:, :1] > 0, 5, -5).astype(np.float32)
        scores, boxes, points = decode(logits, target["boxes"][:, :4], target["points"][:, :10], GRID, 0.5)
        assert len(scores) > 0
        assert np.abs(boxes - box).max() < 1e-2
        assert np.abs(points[:, 2] - (100, 96)).max() < 1e-2


def test_unwanted_face_is_neither_positive_nor_background() -> None:
    target = encode(picture([[80, 70, 120, 120]], wanted=False), GRID)
    assert target["scores"][:, 0].sum() == 0
    assert (target["scores"][:, 1] == 0).any()


def test_unknown_background_has_no_weight() -> None:
    known = np.zeros((192, 256), bool)
    known[:, :128] = True
    whole = picture([[20, 20, 60, 60]])
    target = encode(Picture(whole.image, whole.boxes, whole.points, whole.wanted, known), GRID)
    assert (target["scores"][GRID[:, 0] > 130, 1] == 0).all()


def test_composed_picture_carries_its_faces_along() -> None:
    """The face is a white square on black: its box must hold the white pixels, mirrored and turned or not."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 60:100] = 255
    box = np.array([[60, 40, 100, 80]], np.float32)
    scene = Scene(image, box, np.full((1, 5, 2), np.nan, np.float32), np.ones(1, bool), complete=True)
    plain = AugmentConfig(gain=0, offset=0, colour=0, grey=0, blur=0, low_resolution=0, noise=0, jpeg=0, flip=0.5)
    for seed in range(12):
        made = compose([scene], 0, 256, 192, plain, np.random.default_rng(seed))
        centres = ((made.boxes[:, :2] + made.boxes[:, 2:]) / 2).round().astype(int)
        for x, y in centres:
            if 0 <= x < 256 and 0 <= y < 192:
                assert made.image[y, x].min() > 128


def test_box_holds_the_turned_face_whatever_the_turn() -> None:
    """The face is a white ellipse, 30 by 50: in a picture that turns it, its box is that of its pixels."""
    image = np.zeros((240, 320, 3), np.uint8)
    cv2.ellipse(image, (160, 120), (15, 25), 0, 0, 360, (255, 255, 255), cv2.FILLED)
    box = np.array([[145, 95, 175, 145]], np.float32)
    scene = Scene(image, box, np.full((1, 5, 2), np.nan, np.float32), np.ones(1, bool), complete=False)
    shapes = []
    for seed in range(40):
        made = place(scene, 256, 192, np.random.default_rng(seed))
        x0, y0, x1, y1 = made.boxes[0]
        if min(x0, y0) > 1 and x1 < 254 and y1 < 190:
            rows, columns = np.nonzero(made.image[..., 0] > 127)
            off = np.array([columns.min() - x0, rows.min() - y0, x1 - columns.max(), y1 - rows.max()])
            assert np.abs(off).max() < 1.5 + 0.03 * (y1 - y0)
            shapes.append((x1 - x0) / (y1 - y0))
    assert min(shapes) < 0.65  # upright
    assert max(shapes) > 1.3  # lying


def test_large_face_weighs_more_than_a_crowd_of_small_ones() -> None:
    crowd = [[20.0 + 20 * i, 20, 32.0 + 20 * i, 32] for i in range(8)]
    target = encode(picture([*crowd, [100, 80, 180, 160]]), GRID)
    small, large = GRID[:, 1] < 50, GRID[:, 1] > 80
    for name in ("boxes", "points"):
        assert target[name][large, -1].sum() > target[name][small, -1].sum() > 0
