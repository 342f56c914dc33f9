"""Angles of a head that is turned by known angles, seen without perspective."""

from functools import partial
from math import cos, radians, sin

import numpy as np
import pytest
from facewire_edge.errors import UsageError
from facewire_edge.pose import HEAD, HeadPose
from facewire_edge.schema import IBUG68, POINTS5, WFLW98, linear_map
from facewire_edge.types import Points
from hypothesis import given
from hypothesis import strategies as st

floats = partial(st.floats, allow_subnormal=False)  # tflite-runtime's arm64 build flushes them to zero

TOLERANCE_DEG = 0.1  # of exact points, after the fit's two steps


def turned(yaw: float, pitch: float, roll: float, scale: float = 80.0) -> Points:
    """Project the mean head; points that it does not have stay at 0. The nose shows where it looks."""
    y, p, r = radians(yaw), radians(-pitch), radians(roll)
    about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    about_x = np.array([[1, 0, 0], [0, cos(p), sin(p)], [0, -sin(p), cos(p)]])
    about_z = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
    points = np.zeros((68, 2), np.float32)
    head = np.array(list(HEAD.values())) / 1000 @ (about_z @ about_x @ about_y).T
    points[list(HEAD)] = (scale * head[:, :2] + (300, 200)).astype(np.float32)
    return points


@given(
    yaw=floats(-60, 60), pitch=floats(-35, 35), roll=floats(-170, 170), scale=floats(10, 500)
)  # fmt: skip
def test_angles_of_the_turned_mean_head_are_found(yaw: float, pitch: float, roll: float, scale: float) -> None:
    found = HeadPose(IBUG68)(turned(yaw, pitch, roll, scale))
    assert found == pytest.approx((yaw, pitch, roll), abs=TOLERANCE_DEG)


def test_nose_to_the_images_right_is_a_positive_yaw() -> None:
    points = turned(0, 0, 0)
    points[30, 0] += 15  # the tip, of a face 160 px wide
    assert HeadPose(IBUG68)(points).yaw > 3


def test_nose_up_is_a_positive_pitch() -> None:
    points = turned(0, 0, 0)
    points[30, 1] -= 15
    assert HeadPose(IBUG68)(points).pitch > 3


def test_left_eye_below_the_right_is_a_positive_roll() -> None:
    points = turned(0, 0, 20)
    assert points[45, 1] > points[36, 1]  # clockwise on the screen; the subject's left eye is at the image's right
    assert HeadPose(IBUG68)(points).roll == pytest.approx(20, abs=TOLERANCE_DEG)


def test_pose_of_98_points_is_that_of_their_68() -> None:
    rng = np.random.default_rng(0)
    points98 = rng.uniform(0, 100, (98, 2)).astype(np.float32)
    mapping = linear_map(WFLW98, IBUG68)
    assert mapping is not None
    points68 = np.einsum("dmn,nd->md", mapping, points98).astype(np.float32)
    assert HeadPose(WFLW98)(points98) == pytest.approx(HeadPose(IBUG68)(points68), abs=0.01)


def test_points_that_show_no_head_are_refused() -> None:
    with pytest.raises(UsageError, match="the model has 'points5'"):
        HeadPose(POINTS5)
