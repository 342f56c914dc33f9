import pytest
from facewire_edge.geometry import Box
from facewire_edge.motion import Motion

FRAME_NS = 33_000_000


def box(x: float, side: float = 20.0) -> Box:
    return Box(x, 0, x + side, side)


def moving(frames: int, step: float) -> Motion:
    motion = Motion.of(box(0), 0)
    for i in range(1, frames):
        motion = motion.moved_to(box(step * i), i * FRAME_NS)
    return motion


def test_steady_face_is_expected_where_its_speed_brings_it() -> None:
    motion = moving(30, step=2)
    assert motion.distance(box(2 * 34), 34 * FRAME_NS) < 0.05  # face sizes
    assert motion.distance(box(2 * 24), 34 * FRAME_NS) == pytest.approx(1.0, abs=0.05)


def test_no_speed_is_believed_for_long() -> None:
    motion = moving(30, step=2)
    after_half_a_second = motion.distance(box(500), 29 * FRAME_NS + 500_000_000)
    assert motion.distance(box(500), 29 * FRAME_NS + 10**10) == after_half_a_second


def test_change_of_size_is_a_distance() -> None:
    motion = Motion.of(box(0), 0)
    assert motion.distance_from_last(Box(-10, -10, 30, 30)) == pytest.approx(0.69, abs=0.01)  # twice as large: log 2


def test_time_that_does_not_advance_changes_nothing() -> None:
    motion = moving(5, step=2)
    assert motion.moved_to(box(99), motion.time_ns) is motion
