"""What Prometheus reads."""

from math import isnan
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra `stream` is not installed")
from facewire_edge.metrics import Metrics


def faces(number: int, dropped: int = 0) -> dict[str, Any]:
    ms = {"detect": 0, "landmarks": 3.0}
    message = {"type": "faces", "faces": [{}] * number, "dropped": dropped, "ms": ms}
    return {**message, "t_capture": 1.0, "t_publish": 1.03}


def values(*messages: dict[str, Any]) -> dict[str, float]:
    metrics = Metrics()
    for message in messages:
        metrics.take(message)
    lines = metrics.text(clients=2).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_frames_faces_and_drops_are_counted() -> None:
    found = values(faces(2, dropped=1), faces(1, dropped=5))
    assert found["facewire_frames_total"] == 2
    assert found["facewire_faces"] == 1
    assert found["facewire_frames_dropped_total"] == 5
    assert found["facewire_clients"] == 2


@pytest.mark.parametrize("state", ["starting", "no-camera", "stopping"])
def test_faces_are_no_number_while_no_frames_come(state: str) -> None:
    lost = {"type": "status", "state": state}
    assert isnan(values()["facewire_faces"])
    assert isnan(values(faces(2), lost)["facewire_faces"])
    assert values(faces(2), lost, faces(0))["facewire_faces"] == 0


def test_stage_that_did_not_run_is_not_a_fast_stage() -> None:
    found = values(faces(1))
    assert found['facewire_stage_seconds_count{stage="landmarks"}'] == 1
    assert 'facewire_stage_seconds_count{stage="detect"}' not in found


def test_age_is_from_capture_to_publish() -> None:
    found = values(faces(1))
    assert found['facewire_frame_age_seconds_bucket{le="0.035"}'] == 1
    assert found['facewire_frame_age_seconds_bucket{le="0.02"}'] == 0


def test_status_gives_state_sinks_and_board() -> None:
    board = {"temperature_c": 61.5, "slowdown": 2, "throttled": {"under-voltage": True, "throttled": False}}
    found = values(
        {"type": "status", "state": "starting"},
        {"type": "status", "state": "running", "sink_drops": {"stdout": 3}, "board": board},
        {"type": "status", "sink_drops": {"stdout": 7}},
        {"type": "error"},
    )
    assert (found['facewire_state{state="running"}'], found['facewire_state{state="starting"}']) == (1, 0)
    assert found['facewire_sink_dropped_total{sink="stdout"}'] == 7
    assert (found["facewire_temperature_celsius"], found["facewire_detector_slowdown"]) == (61.5, 2)
    assert found['facewire_throttled{flag="under-voltage"}'] == 1
    assert found["facewire_errors_total"] == 1


def test_count_that_began_anew_still_grows() -> None:
    assert values(faces(0, dropped=9), faces(0, dropped=2))["facewire_frames_dropped_total"] == 11
