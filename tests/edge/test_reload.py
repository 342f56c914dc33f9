"""Models that change under a running loop."""

import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from facewire_edge import reload
from facewire_edge.config import EdgeConfig
from facewire_edge.errors import ModelError
from facewire_edge.message import Origin
from facewire_edge.pipeline import open_tracker
from facewire_edge.reload import ModelWatch, reload_on_hangup
from facewire_edge.schema import POINTS5
from facewire_edge.throttle import BoardWatch
from facewire_edge.track import Tracker, TrackSettings
from facewire_edge.types import Frame, Look
from facewire_edge.upkeep import Upkeep

_spec = importlib.util.spec_from_file_location("edge_fakes", Path(__file__).with_name("fakes.py"))
assert _spec is not None
fakes = importlib.util.module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(fakes)

PATIENCE_S = 10.0
POLL_S = 0.01


def wait_until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def tracker(**settings: Any) -> Tracker:
    return Tracker(fakes.Detector(), fakes.Landmarks(), TrackSettings(smooth=False, **settings))


def origin(model: str, schema: str = "points5") -> Origin:
    return Origin("cam0", schema, model)


@contextmanager
def watching(path: Path, load: Any) -> Iterator[ModelWatch]:
    with closing(ModelWatch([path], load, POLL_S)) as watch:
        yield watch


@pytest.fixture
def models(tmp_path: Path) -> EdgeConfig:
    """Give copies of the shipped models that a test may change."""
    shipped = EdgeConfig()
    for path in (shipped.model, shipped.detector):
        shutil.copy(path, tmp_path)
    model, detector = (str(tmp_path / Path(path).name) for path in (shipped.model, shipped.detector))
    return EdgeConfig(model=model, detector=detector)


def replace_file(path: str, data: bytes) -> None:
    """Write beside and rename, as scp and make deploy do."""
    beside = Path(path + ".new")
    beside.write_bytes(data)
    beside.replace(path)


def test_changed_file_is_loaded_and_tried_beside_the_loop(models: EdgeConfig) -> None:
    with watching(Path(models.model), partial(open_tracker, models)) as watch:
        assert watch.take() is None
        replace_file(models.model, Path(models.model).read_bytes())
        fresh, found = wait_until(watch.take)
        assert found.schema == "ibug68"
        assert watch.take() is None
        assert fresh(Frame(np.zeros((48, 64, 3), np.uint8), 0, 0))[0] == ()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_broken_file_is_refused_by_name_and_once(
    models: EdgeConfig, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Path(models.model).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    broken = {"cut": whole[: len(whole) // 2], "flipped": bytes(flipped), "empty": b"", "foreign": b"hello" * 99}
    with watching(Path(models.model), partial(open_tracker, models)) as watch:
        replace_file(models.model, broken[damage])
        wait_until(lambda: "model refused, the old one stays" in caplog.text)
        time.sleep(10 * POLL_S)
        assert watch.take() is None
        assert models.model in caplog.text
        assert caplog.text.count("model refused") == 1
        replace_file(models.model, whole)
        assert wait_until(watch.take)


def test_file_that_is_being_written_is_left_alone_until_it_settles(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    loads: list[int] = []

    def load() -> Any:
        loads.append(path.stat().st_size)
        return tracker(), origin("new")

    with watching(path, load) as watch:
        watch._poll_s = 3600  # from now on each look is asked for
        wait_until(lambda: watch._thread.is_alive())
        for size in range(1, 6):
            path.write_bytes(b"x" * 10 * size)
            watch._look()
        assert loads == []
        watch._look()
        assert loads == [50]


def test_missing_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    with watching(path, lambda: (tracker(), origin("new"))) as watch:
        path.unlink()
        time.sleep(5 * POLL_S)
        assert watch.take() is None
        path.write_bytes(b"new")
        assert wait_until(watch.take)


def test_runtime_that_fails_on_a_model_does_not_end_the_watch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    answers: list[Any] = [RuntimeError("delegate"), (tracker(), origin("new"))]

    def load() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with watching(path, load) as watch:
        watch.ask()
        wait_until(lambda: "the runtime failed on it" in caplog.text)
        watch.ask()
        assert wait_until(watch.take)[1].model == "new"


def test_hangup_loads_again_without_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "has_terminal", lambda: False)
    path = tmp_path / "model"
    path.write_bytes(b"old")
    with watching(path, lambda: (tracker(), origin("new"))) as watch, reload_on_hangup(watch):
        os.kill(os.getpid(), signal.SIGHUP)
        assert wait_until(watch.take)


def take_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where these tests run under nohup
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def take_terminal_as_nohup() -> None:
    take_terminal()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize(("prepare", "ends"), [(take_terminal, True), (take_terminal_as_nohup, False)])
def test_run_ends_with_its_terminal_but_under_nohup(prepare: Callable[[], None], ends: bool, tmp_path: Path) -> None:
    ours, terminal = os.openpty()
    command = [sys.executable, "-m", "facewire_edge", "run", "--input", "usb:250", "--wait-camera"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(
        [*command, "--sink", f"jsonl:{tmp_path / 'out.jsonl'}"],
        stdin=terminal, stdout=log, stderr=log, start_new_session=True, preexec_fn=prepare,
    ) as process:  # fmt: skip
        os.close(terminal)
        try:
            wait_until(lambda: b"no-camera" in (tmp_path / "log").read_bytes())
            os.close(ours)  # the terminal's window is closed
            if ends:
                assert process.wait(PATIENCE_S) == 0
                assert b"ended: 0 frames" in (tmp_path / "log").read_bytes()
                assert '"state":"stopping"' in (tmp_path / "out.jsonl").read_text()
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(1.0)
        finally:
            process.kill()


def test_model_that_came_while_the_camera_opened_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    loaded = reload.stamp([path])
    path.write_bytes(b"newer")
    with closing(ModelWatch([path], lambda: (tracker(), origin("new")), POLL_S, loaded)) as watch:
        assert wait_until(watch.take)


POINTS, NO_NUMBERS = np.zeros((5, 2), np.float32), np.full(5, np.nan, np.float32)


@pytest.mark.parametrize("look", [Look(POINTS * np.nan, 0.5), Look(POINTS, np.nan), Look(POINTS, 0.5, NO_NUMBERS)])
def test_model_that_answers_with_no_numbers_is_refused(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes.Landmarks, "__call__", lambda *_: look)
    with pytest.raises(ModelError, match="no numbers"):
        Tracker(fakes.Detector(), fakes.Landmarks(), TrackSettings()).rehearse()


def face_id(found: Tracker, index: int) -> int:
    faces = found(Frame(fakes.picture((50, 50, 30)), index, index * 33_000_000))[0]
    return int(faces[0].id)


def test_new_model_of_the_same_points_keeps_the_faces() -> None:
    running = tracker()
    first = face_id(running, 0)
    running.take_models(tracker())
    assert face_id(running, 1) == first


def test_new_model_of_other_points_begins_anew_with_new_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    running, other = tracker(), tracker()
    first = face_id(running, 0)
    names = ("brow", *POINTS5.names)  # a point more, in a schema of the same name
    schema = SimpleNamespace(name=POINTS5.name, names=names)
    shape = np.concatenate([np.zeros((1, 2), np.float32), fakes.SHAPE])
    monkeypatch.setattr(other._landmarks, "schema", schema)
    monkeypatch.setattr(fakes, "SHAPE", shape)
    running.take_models(other)
    assert face_id(running, 1) == first + 1


def test_hot_board_makes_the_detector_rare_with_and_without_a_face() -> None:
    for picture, cool, hot in ((fakes.picture((50, 50, 30)), 4, 1), (fakes.picture(), 40, 10)):
        for slowdown, expected in ((1, cool), (4, hot)):
            detector = fakes.Detector()
            running = Tracker(detector, fakes.Landmarks(), TrackSettings(detect_every=10))
            running.slowdown = slowdown
            for index in range(40):
                running(Frame(picture, index, index * 33_000_000))
            assert detector.calls == expected


class Losing:
    """Be a sink that has lost messages."""

    name, dropped = "udp://a:1", 7

    def publish(self, message: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def test_upkeep_swaps_the_model_and_tells_of_board_and_sinks(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    told: list[dict[str, Any]] = []
    new = replace(origin("new"), device="usb")
    with closing(BoardWatch(tmp_path)) as board, watching(path, lambda: (tracker(), new)) as models:
        upkeep = Upkeep(board, models, [Losing()], lambda: told.append(upkeep.facts()))
        running, now = tracker(), origin("old")
        assert upkeep(running, now).model == "old"
        assert "model" not in upkeep.facts()
        models.ask()
        wait_until(lambda: models._ready)
        assert upkeep(running, now).model == "new"
        board.slowdown = 8
        upkeep(running, now)
    assert running.slowdown == 8
    assert [(t["sink_drops"], t["board"]["slowdown"]) for t in told] == [({"udp://a:1": 7}, n) for n in (1, 8)]
    assert [(t["model"], t["device"]) for t in told] == [("new", "usb")] * 2
    assert upkeep.device == "usb"
