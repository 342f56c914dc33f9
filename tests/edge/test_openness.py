import numpy as np
import pytest
from facewire_edge.errors import UsageError
from facewire_edge.openness import Blink, FaceOpenness
from facewire_edge.schema import IBUG68, POINTS5
from facewire_edge.types import Openness, Points


def face(eye_height: float = 6.0, mouth_height: float = 0.0) -> Points:
    """Draw eyes 20 px and a mouth 30 px wide; other points stay at 0."""
    points = np.zeros((68, 2), np.float32)
    for first, x in ((36, 0), (42, 60)):
        half = eye_height / 2
        points[first : first + 6] = [
            (x, 0),
            (x + 6, -half),
            (x + 14, -half),
            (x + 20, 0),
            (x + 14, half),
            (x + 6, half),
        ]
    points[60], points[64] = (30, 50), (60, 50)
    for upper, lower, x in ((61, 67, 38), (62, 66, 45), (63, 65, 52)):
        points[upper], points[lower] = (x, 50 - mouth_height / 2), (x, 50 + mouth_height / 2)
    return points


def eyes(value: float) -> Openness:
    return Openness(value, value, 0.0)


def test_openness_is_height_by_width() -> None:
    found = FaceOpenness(IBUG68)(face(eye_height=6, mouth_height=15))
    assert found == pytest.approx((0.3, 0.3, 0.5))


def test_closed_mouth_has_no_openness() -> None:
    assert FaceOpenness(IBUG68)(face()).mouth == 0


def test_rolled_face_is_as_open_as_an_upright_one() -> None:
    upright = face(6, 15)
    rolled = (upright @ np.array([[0, 1], [-1, 0]], np.float32)).astype(np.float32)
    measure = FaceOpenness(IBUG68)
    assert measure(rolled) == pytest.approx(measure(upright), abs=1e-5)


@pytest.mark.parametrize("own", [0.2, 0.4])
def test_blink_is_seen_against_the_faces_own_open_eyes(own: float) -> None:
    blink = Blink()
    shares = [1.0] * 20 + [0.8, 0.5, 0.3, 0.5] + [0.8] + [1.0] * 5
    assert [blink(eyes(share * own)) for share in shares] == [False] * 21 + [True] * 3 + [False] * 6


def test_value_at_the_limit_does_not_flicker() -> None:
    blink = Blink()
    blink(eyes(0.3))
    closed = [blink(eyes(0.3 * share)) for share in (0.58, 0.62, 0.58, 0.62, 0.9)]
    assert closed == [True, True, True, True, False]


def test_face_that_was_met_with_closed_eyes_learns_the_open_ones() -> None:
    blink = Blink()
    for _ in range(200):
        blink(eyes(0.3))
    assert blink(eyes(0.1))


def test_points_without_lids_are_refused() -> None:
    with pytest.raises(UsageError, match="the model has 'points5'"):
        FaceOpenness(POINTS5)
