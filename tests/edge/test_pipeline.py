import importlib.util
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from facewire_edge.camera import ReplayCamera, open_camera
from facewire_edge.card import attach_card, read_card
from facewire_edge.config import EdgeConfig
from facewire_edge.live import LiveCamera, Patience
from facewire_edge.message import Origin
from facewire_edge.notify import ServiceManager
from facewire_edge.pipeline import Stats, loop, open_monitor, open_tracker
from facewire_edge.replay import Fault, ReplayDevice
from facewire_edge.track import Tracker, TrackSettings

_spec = importlib.util.spec_from_file_location("edge_fakes", Path(__file__).with_name("fakes.py"))
assert _spec is not None
fakes = importlib.util.module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(fakes)

ORIGIN = Origin("cam7", "points5", "fake@000000")


class Memory:
    """Keep the messages."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def publish(self, message: dict[str, Any]) -> None:
        self.messages.append(json.loads(json.dumps(message)))

    def close(self) -> None: ...


def run(camera: Any, frames: int | None = None) -> list[dict[str, Any]]:
    sink = Memory()
    tracker = Tracker(fakes.Detector(), fakes.Landmarks(), TrackSettings())
    loop(camera, tracker, [sink], ORIGIN, frames)
    return sink.messages


def test_every_frame_of_a_replay_gives_a_message_in_order() -> None:
    messages = run(ReplayCamera([fakes.picture((50, 50, 30)), fakes.picture()], fps=25))
    assert [m["frame"] for m in messages] == [0, 1]
    assert [len(m["faces"]) for m in messages] == [1, 0]
    assert messages[0]["source"] == "cam7"
    assert messages[0]["model"] == "fake@000000"


def test_pictures_are_worked_on_in_one_thread() -> None:
    cv2.setNumThreads(2)
    run(ReplayCamera([fakes.picture()]))
    assert cv2.getNumThreads() == 1


def test_media_time_and_not_processing_time_is_published() -> None:
    messages = run(ReplayCamera([fakes.picture()] * 5, fps=10))
    steps = np.diff([m["t_capture"] for m in messages])
    assert np.allclose(steps, 0.1, atol=0.002)  # capture times are rounded to 0.1 ms; the clock is read anew each time


def test_still_is_published_after_it_was_taken(tmp_path: Path) -> None:
    import cv2

    for i in range(20):
        cv2.imwrite(str(tmp_path / f"{i:02}.png"), fakes.picture((50, 50, 30)))
    messages = run(open_camera(str(tmp_path), fps=1))
    assert all(m["t_capture"] <= m["t_publish"] for m in messages)


def test_landmarks_are_normalised_to_the_whole_image() -> None:
    face = run(ReplayCamera([fakes.picture((100, 50, 40))], fps=25))[0]["faces"][0]
    assert np.allclose(face["landmarks"][2], [0.5, 0.5], atol=0.01)  # the middle of the square; a pixel is 0.005


def test_frames_limit_counts_messages_of_faces() -> None:
    assert len(run(ReplayCamera([fakes.picture()] * 9, fps=25), frames=4)) == 4


def test_broken_still_is_an_error_message_and_the_run_goes_on(tmp_path: Path) -> None:
    import cv2

    for name in ("a.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), fakes.picture((50, 50, 30)))
    (tmp_path / "b.jpg").write_bytes(b"not an image")
    messages = run(open_camera(str(tmp_path)))
    assert [m["type"] for m in messages] == ["faces", "error", "faces"]
    assert [m["image"] for m in messages] == ["a.png", "b.jpg", "c.png"]
    assert "reason" in messages[1]
    assert messages[2]["faces"][0]["state"] == "new"  # stills are not followed


def test_loss_of_a_live_camera_is_told_and_the_loop_goes_on() -> None:
    images = [fakes.picture((50, 50, 30 + i)) for i in range(10)]
    device = ReplayDevice(images, 200, [Fault("vanish", 60, 0.4)])  # long enough to be seen on a loaded machine
    sink = Memory()
    patience = Patience(tick=0.01, retry=0.01, longest_retry=0.02)
    with closing(LiveCamera(device.open, patience=patience)) as camera:
        config = EdgeConfig(input="rtsp://user:secret@camera/1", sink=("udp://h:1",))
        monitor = open_monitor(config, camera, [sink], ORIGIN, ServiceManager())
        tracker = Tracker(fakes.Detector(), fakes.Landmarks(), TrackSettings())
        stopped = lambda: len([m for m in sink.messages if m["type"] == "status"]) == 3  # noqa: E731
        loop(camera, tracker, [sink], ORIGIN, monitor=monitor, stop=stopped)
    states = [m for m in sink.messages if m["type"] == "status"]
    assert [m["state"] for m in states] == ["running", "no-camera", "running"]
    assert states[-1]["reconnects"] == 1
    assert states[0]["input"] == "rtsp://camera/..."
    assert states[0]["model"] == "fake@000000"
    assert states[0]["source"] == "cam7"
    ages = [m["ms"]["age"] for m in sink.messages if m["type"] == "faces"]
    assert ages
    assert all(age >= 0 for age in ages)


def test_times_of_a_long_run_do_not_pile_up() -> None:
    stats = Stats()
    for _ in range(20_000):
        stats.add({"total": 1.0})
    assert len(stats.ms["total"]) < 5_000


def test_file_is_not_interrupted_by_status_messages() -> None:
    sink = Memory()
    camera = ReplayCamera([fakes.picture()] * 2, fps=25)
    monitor = open_monitor(EdgeConfig(), camera, [sink], ORIGIN, ServiceManager())
    loop(camera, Tracker(fakes.Detector(), fakes.Landmarks(), TrackSettings()), [sink], ORIGIN, monitor=monitor)
    assert [m["type"] for m in sink.messages] == ["faces", "faces"]
    assert "age" not in sink.messages[0]["ms"]


@pytest.mark.parametrize(("min_score", "found"), [(None, 1), (0.999, 0)])
def test_a_threshold_that_is_named_is_kept_and_the_cards_own_gives_way_to_certainty(
    min_score: float | None, found: int, tmp_path: Path
) -> None:
    card, flatbuffer = read_card(Path(EdgeConfig().detector))
    attach_card(flatbuffer, replace(card, min_score=0.999), tmp_path / "strict.tflite")
    with closing(open_camera("replay")) as camera:
        frame = camera.read()
    tracker, _ = open_tracker(EdgeConfig(detector=str(tmp_path / "strict.tflite"), min_score=min_score))
    assert len(tracker(frame)[0]) == found
