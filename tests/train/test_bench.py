"""The comparison with MediaPipe, as far as it needs no MediaPipe."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facewire_edge.camera import REPLAY
from facewire_edge.errors import FacewireError, UsageError
from facewire_train.bench import compare, environment, facewire_side
from facewire_train.bench.__main__ import main
from facewire_train.bench.inference import take_turns
from facewire_train.bench.jitter import COMMON, Points, jitter
from facewire_train.bench.row import compared
from facewire_train.bench.side import Ahead, Watch, peak_mb
from facewire_train.bench.table import table

FACE = np.array([[x, x * x / 50] for x in np.linspace(-50, 50, len(COMMON))], np.float32)
FACE[1] = FACE[0] + (100, 0)  # the outer eye corners, 100 px apart


def moving(frames: int, noise_px: float = 0.0) -> list[Points | None]:
    rng = np.random.default_rng(0)
    path = [(3 * i + 0.2 * i * i, -i) for i in range(frames)]
    return [(FACE + step + rng.normal(0, noise_px, FACE.shape)).astype(np.float32) for step in np.array(path)]


def test_jitter_of_white_noise_is_its_deviation_over_the_eye_distance() -> None:
    found = jitter(moving(2000, noise_px=0.5))
    assert found == pytest.approx(0.005, rel=0.03)  # the noise moves the eye corners too


def test_a_face_that_gathers_speed_steadily_does_not_jitter() -> None:
    assert jitter(moving(50)) == pytest.approx(0, abs=1e-5)  # float32 pixels


def test_frames_without_a_face_part_the_windows_of_jitter() -> None:
    jumping = [*moving(10), None, *[p + 40 for p in moving(10) if p is not None]]
    assert jitter(jumping) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("points", [[], moving(3), [None] * 9, [*moving(3), None, *moving(3)]])
def test_there_is_no_jitter_without_four_faces_in_a_row(points: list[Points | None]) -> None:
    assert jitter(points) is None


def test_a_watch_that_is_paused_does_not_run() -> None:
    watch = Watch()
    with watch.paused():
        pass
    assert watch.wall_s == 0
    watch.start()
    with watch.paused():
        before = watch.wall_s
    watch.stop()
    assert 0 < before < watch.wall_s


def test_reading_ahead_gives_every_frame_and_then_the_end() -> None:
    class Clip:
        def __init__(self) -> None:
            self.left = list(range(150))

        def read(self) -> int | None:
            return self.left.pop(0) if self.left else None

    ahead = Ahead(Clip(), Watch())
    assert [ahead.read() for _ in range(151)] == [*range(150), None]


def test_peak_memory_is_that_of_the_process_and_not_of_its_parent(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  20480 kB\n")
    assert peak_mb(status) == 20
    assert peak_mb(tmp_path / "missing") > 0


def test_a_ratio_is_taken_between_neighbours() -> None:
    assert compared([1, 10, 3], [2, 20, 3]) == {"facewire": 3, "mediapipe": 3, "ratio": 0.5}


def test_turns_alternate_and_the_first_does_not_count() -> None:
    order = []

    def turn(name: str) -> float:
        order.append(name)
        return float(len(order))

    assert take_turns({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2) == {"a": [3, 5], "b": [4, 6]}
    assert order == list("ababab")


def report() -> dict[str, Any]:
    values = {"facewire": 1.0, "mediapipe": 4.0}
    sides = {side: [dict.fromkeys(compare.FIGURES.values(), value)] for side, value in values.items()}
    return {
        "machine": "a board, 4 cores",
        "date": "2026-11-21",
        "clip": "face.mp4",
        "frames": 99,
        "rounds": 3,
        "versions": {"facewire": {"numpy": "2.0"}, "mediapipe": {"numpy": "1.26.4"}},
        "rows": compare.rows_of(sides),
    }


def test_the_table_names_machine_clip_versions_and_every_figure() -> None:
    text = table(report())
    for word in ("a board, 4 cores, 2026-11-21; face.mp4, 99 frames", "mediapipe: numpy 1.26.4", *compare.FIGURES):
        assert word in text
    assert text.splitlines()[-1].split()[-3:] == ["1", "4", "0.25"]


def test_a_figure_that_one_side_cannot_tell_has_no_row() -> None:
    sides = {side: [dict.fromkeys(compare.FIGURES.values(), 1.0)] for side in compare.SIDES}
    sides["mediapipe"][0]["jitter_percent"] = None  # type: ignore[assignment]
    assert "jitter, % of the eye distance" not in compare.rows_of(sides)


def test_our_side_tells_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    facewire_side.main([str(REPLAY), "30"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 30
    assert figures["found"] == 1
    assert figures["raw_jitter_percent"] > figures["jitter_percent"] > 0
    assert set(compare.FIGURES.values()) <= {*figures, "first_s"}


def test_the_first_result_ends_the_time_to_start() -> None:
    command = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(0.5)"]
    start = time.perf_counter()
    assert compare.first_s(command) < time.perf_counter() - start - 0.4  # the process lives for 0.5 s more


def test_a_side_that_fails_is_told_with_its_last_word() -> None:
    with pytest.raises(FacewireError, match=r"exit code 3 of .*: no such face"):
        compare.first_s([sys.executable, "-c", "import sys; print('no such face', file=sys.stderr); sys.exit(3)"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--clip", "missing.mp4"], 6, "no clip 'missing.mp4'; expected a video file: make bench CLIP=FILE"),
        (["--clip", __file__], 6, "is no video"),
        (["--frames", "20"], 2, "--frames must be above 20"),
        (["--rounds", "0"], 2, "--rounds 1 or more"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_one_line(
    arguments: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--environment", str(tmp_path / "never")]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "never").exists()


def test_mediapipe_that_cannot_be_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(
        UsageError, match=r"cannot be installed into .*: No matching distribution .*; it needs"
    ) as raised:
        environment.prepare(tmp_path / "environment")
    assert "\n" not in str(raised.value)
