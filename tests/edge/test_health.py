"""What the messages say of a run, and how often something may happen."""

from facewire_edge.health import Health
from facewire_edge.limits import Bucket

FACES = {"type": "faces", "faces": []}


def status(state: str) -> dict[str, str]:
    return {"type": "status", "state": state}


def test_loop_that_speaks_is_alive_and_a_silent_one_is_not() -> None:
    health = Health(heard_s=0.0)
    assert health.is_alive(20.0)
    assert not health.is_alive(30.0)
    health.take({"type": "error"}, 30.0)
    assert health.is_alive(50.0)


def test_loop_that_waits_for_a_camera_is_alive_and_not_ready() -> None:
    health = Health(heard_s=0.0)
    health.take(FACES, 1.0)
    health.take(status("no-camera"), 2.0)
    assert health.is_alive(12.0)
    assert health.obstacle(2.0) == "no-camera"


def test_faces_make_ready_and_their_absence_is_said() -> None:
    health = Health(heard_s=0.0)
    assert health.obstacle(0.0) == "no frame yet"
    health.take(status("running"), 1.0)
    health.take(FACES, 1.0)
    assert health.obstacle(2.0) is None
    assert health.obstacle(31.0) == "no frame for 30 s"


def test_status_about_something_else_does_not_change_the_state() -> None:
    health = Health(heard_s=0.0)
    health.take(status("no-camera"), 1.0)
    health.take({"type": "status", "board": {}}, 2.0)
    assert health.state == "no-camera"


def test_bucket_allows_a_burst_and_then_its_rate() -> None:
    now = [0.0]
    bucket = Bucket(rate_hz=2.0, burst=3, clock=lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s() == 0.5
    now[0] = 0.5
    assert bucket.take()
    assert not bucket.take()
    now[0] = 100.0  # no more than the burst is saved up
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
