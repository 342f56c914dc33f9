import numpy as np
from facewire_edge.smooth import OneEuro
from hypothesis import given
from hypothesis import strategies as st

POINTS = np.array([[10, 20], [30, 40]], np.float32)
FRAME_NS = 33_000_000


@given(st.integers(min_value=0, max_value=10**12))
def test_first_frame_passes_through_whatever_its_time(time_ns: int) -> None:
    assert (OneEuro()(POINTS, time_ns, 100) == POINTS).all()


def test_first_time_of_zero_counts_as_a_time() -> None:
    smoother = OneEuro()
    smoother(POINTS, 0, 100)
    moved = smoother(POINTS + 1, FRAME_NS, 100)
    assert (moved < POINTS + 1).all()  # filtered, not taken for a first frame again


def test_still_points_stay() -> None:
    smoother = OneEuro()
    for frame in range(5):
        result = smoother(POINTS, frame * FRAME_NS, 100)
    assert np.allclose(result, POINTS)


def test_an_eighth_of_the_noise_on_a_still_face_is_left() -> None:
    rng = np.random.default_rng(0)
    smoother = OneEuro()
    raw = POINTS + rng.normal(0, 0.3, (200, 2, 2)).astype(np.float32)  # 0.3 % of the face, one LSB of the output
    smooth = np.stack([smoother(points, i * FRAME_NS, 100) for i, points in enumerate(raw)])
    assert smooth[50:].std(axis=0).mean() < 0.125 * raw[50:].std(axis=0).mean()


def test_fast_motion_lags_by_less_than_a_frame() -> None:
    smoother = OneEuro()
    for frame in range(30):
        target = POINTS + np.float32(3 * frame)  # 3 % of the face a frame: a quick head turn
        result = smoother(target, frame * FRAME_NS, 100)
    assert (target - result).max() < 3


def test_same_motion_of_a_near_and_a_far_face_is_smoothed_alike() -> None:
    near, far = OneEuro(), OneEuro()
    for frame in range(10):
        shift = np.float32(np.sin(frame))
        one = near(POINTS * 4 + 4 * shift, frame * FRAME_NS, 400)
        other = far(POINTS + shift, frame * FRAME_NS, 100)
    assert np.allclose(one / 4, other, atol=1e-3)


def test_time_that_does_not_advance_gives_the_last_result() -> None:
    smoother = OneEuro()
    smoother(POINTS, 100, 100)
    assert (smoother(POINTS + 5, 100, 100) == POINTS).all()


def test_noise_of_an_uncertain_point_is_taken_for_less_motion_and_the_others_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    points = np.repeat(POINTS, [2, 1], axis=0)
    raw = points + rng.normal(0, [[0.2], [0.2], [0.4]], (200, 3, 2)).astype(np.float32)
    uncertainty = np.array([0.2, 0.2, 0.4], np.float32)
    plain, told = OneEuro(), OneEuro()
    one = np.stack([plain(seen, i * FRAME_NS, 100) for i, seen in enumerate(raw)])[50:].std(axis=0).mean(axis=1)
    other = np.stack([told(seen, i * FRAME_NS, 100, uncertainty) for i, seen in enumerate(raw)])[50:].std(axis=0)
    assert other.mean(axis=1)[2] < 0.8 * one[2]
    assert (other.mean(axis=1)[:2] == one[:2]).all()
