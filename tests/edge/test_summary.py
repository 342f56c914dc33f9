"""The state for a home, and how a home learns of the board."""

import json
from typing import Any

import pytest
from facewire_edge.discovery import SENSORS, discovery
from facewire_edge.summary import Summary


def faces(*yaws: float | None) -> dict[str, Any]:
    found = [{} if yaw is None else {"pose": {"yaw": yaw}} for yaw in yaws]
    return {"type": "faces", "faces": found, "t_capture": 1.0, "t_publish": 1.0215, "dropped": 3}


def test_summary_counts_the_frames_since_the_last_one() -> None:
    summary = Summary(0.0)
    for n in range(30):
        summary.take(faces(None), n / 30)
    assert summary.give(1.0)["fps"] == 30.0
    assert summary.give(2.0)["fps"] == 0.0


def test_summary_holds_what_a_home_asks_for() -> None:
    summary = Summary(0.0)
    summary.take({"type": "status", "state": "running", "board": {"temperature_c": 55.5}}, 0.0)
    summary.take(faces(12.5, -3.0), 0.5)
    expected = {"state": "running", "faces": 2, "present": "ON", "temperature_c": 55.5, "age_ms": 21.5, "yaw": 12.5}
    assert expected.items() <= summary.give(1.0).items()


def test_empty_room_has_no_yaw_and_nobody_present() -> None:
    summary = Summary(0.0)
    summary.take(faces(5.0), 0.1)
    summary.take(faces(), 0.2)
    assert {"faces": 0, "present": "OFF", "yaw": None}.items() <= summary.give(1.0).items()


@pytest.mark.parametrize("state", ["starting", "no-camera", "stopping"])
def test_nothing_is_known_of_the_room_while_no_frames_come(state: str) -> None:
    unknown = {"present": None, "faces": None, "yaw": None, "age_ms": None}
    summary = Summary(0.0)
    assert unknown.items() <= summary.give(0.0).items()
    summary.take(faces(5.0), 0.1)
    summary.take({"type": "status", "state": state}, 0.2)
    assert {**unknown, "state": state}.items() <= summary.give(1.0).items()
    summary.take({"type": "status", "state": "running"}, 2.0)
    summary.take(faces(5.0), 2.1)
    assert {"present": "ON", "faces": 1, "yaw": 5.0, "age_ms": 21.5}.items() <= summary.give(3.0).items()


def test_change_is_due_at_once_and_the_rest_after_a_while() -> None:
    summary = Summary(0.0)
    summary.take(faces(), 0.0)
    summary.give(0.1)
    summary.take(faces(), 0.2)
    assert not summary.is_due(0.3, every_s=1.0)
    assert summary.is_due(1.1, every_s=1.0)
    summary.take(faces(None), 0.4)
    assert summary.is_due(0.4, every_s=1.0)


def test_discovery_names_every_value_of_the_state() -> None:
    topic, payload = discovery("home/front door", "cam0")
    assert topic == "homeassistant/device/facewire_home_front_door/config"
    assert set(payload["cmps"]) == set(SENSORS)
    assert payload["availability_topic"] == "home/front door/available"
    assert len({c["unique_id"] for c in payload["cmps"].values()}) == len(SENSORS)
    assert payload["cmps"]["yaw"]["value_template"] == "{{ value_json.yaw | default(none) }}"
    assert json.loads(json.dumps(payload)) == payload
