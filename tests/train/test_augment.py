import numpy as np
import pytest
from facewire_edge.geometry import CropTransform
from facewire_edge.schema import POINTS5
from facewire_train.augment import augment_face, flip, occlude, photometric
from facewire_train.config import AugmentConfig
from facewire_train.images import shrunk
from facewire_train.samples import Region

STILL = AugmentConfig(
    flip=0, gain=0, offset=0, colour=0, grey=0, blur=0, low_resolution=0, noise=0, jpeg=0, occlusion=0
)
POINTS = np.array([[40, 40], [60, 42], [50, 52], [43, 62], [57, 62]], np.float32)


def region_with_dots() -> Region:
    image = np.zeros((100, 100, 3), np.uint8)
    for channel, (x, y) in zip((0, 1, 2, 0, 1), POINTS.astype(int), strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2, channel] = 255
    return Region(image, POINTS, CropTransform(50, 50, 60, 0, 64), CropTransform(50, 50, 60, 0.1, 64))


def test_points_follow_the_pixels() -> None:
    for seed in range(20):
        image, points = augment_face(region_with_dots(), POINTS5.mirror, STILL, np.random.default_rng(seed))
        x, y = np.round(points[2] * 64 - 0.5).astype(int)  # the blue dot
        brightest = np.unravel_index(image[:, :, 2].argmax(), (64, 64))
        assert np.hypot(brightest[0] - y, brightest[1] - x) <= 2.5  # a dot is 2 to 4 crop pixels wide


def test_flip_mirrors_names_and_twice_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    points = np.random.default_rng(1).random((5, 2)).astype(np.float32)
    once = flip(image, points, POINTS5.mirror)
    assert once[1][0].tolist() == [1 - points[1][0], points[1][1]]
    twice = flip(*once, POINTS5.mirror)
    assert (twice[0] == image).all()
    assert np.allclose(twice[1], points, atol=1e-6)


def test_same_generator_gives_the_same_sample() -> None:
    first, second = (
        augment_face(region_with_dots(), POINTS5.mirror, AugmentConfig(), np.random.default_rng(9)) for _ in "ab"
    )
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()


def test_every_photometric_change_keeps_shape_and_type() -> None:
    everything = AugmentConfig(grey=1, blur=1, low_resolution=1, noise=1, jpeg=1, occlusion=1)
    for seed in range(10):
        image = np.full((48, 64, 3), 100, np.uint8)
        changed = photometric(image, everything, np.random.default_rng(seed))
        assert changed.shape == (48, 64, 3)
        assert changed.dtype == np.uint8


def test_occlusion_covers_a_part() -> None:
    image = np.full((64, 64, 3), 100, np.uint8)
    covered = occlude(image.copy(), AugmentConfig(occlusion=1), np.random.default_rng(3))
    assert 0 < (covered != image).any(axis=2).mean() < 0.5


@pytest.mark.parametrize("factor", [0.31, 0.6473])
def test_shrunk_picture_keeps_its_edges(factor: float) -> None:
    ramp = np.repeat(np.tile(np.linspace(0, 250, 101), (57, 1))[..., None], 3, axis=2).astype(np.uint8)
    small = shrunk(ramp, factor).astype(float)[5, :, 0]
    middles = (np.arange(len(small)) + 0.5) / len(small) * 101 - 0.5  # in pixels of the ramp, at 2.5 levels each
    assert np.abs(small - 2.5 * middles).max() < 1.5
