import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from facewire_edge.__main__ import main
from facewire_edge.card import attach_card, read_card
from facewire_edge.config import EdgeConfig
from facewire_edge.errors import ModelError

EDGE = Path(__file__).parents[2] / "edge"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--config", "missing.toml"], 2, "cannot read configuration"),
        (["run", "--model", "missing.tflite"], 4, "cannot read model"),
        (["run", "--input", "nowhere.mp4"], 6, "nowhere.mp4"),
        (["run", "--input", "EMPTY"], 6, "holds no image"),
        (["run", "--input", "/dev/video99"], 3, "/dev/video99"),
        (["run", "--input", "-"], 2, "--raw"),
        (["run", "--input", "replay", "--sink", "carrier-pigeon"], 2, "unknown sink"),
        (["run", "--input", "replay", "--sink", "jsonl:/proc/nowhere/x"], 7, "cannot write"),
        (["run", "--input", "rpi"], 3, "picamera2"),
        (["inspect", "missing.tflite"], 4, "cannot read model"),
        (["inspect", "missing"], 2, "landmarks68_lite"),
        (["draw", "missing.jsonl", "replay", "out.mp4"], 6, "missing.jsonl"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty") if a == "EMPTY" else a for a in arguments]) == code
    captured = capsys.readouterr()
    assert captured.err.strip().splitlines()[-1].startswith("facewire-edge: ")
    assert words in captured.err
    assert captured.out == ""


def test_folder_of_which_no_image_can_be_read_is_a_data_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    assert main(["run", "--input", str(tmp_path), "--sink", f"jsonl:{tmp_path / 'out'}"]) == 6
    assert f"none of the 1 images of {tmp_path} can be read" in capsys.readouterr().err
    assert json.loads((tmp_path / "out").read_text())["type"] == "error"


def test_unknown_flag_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--camera", "usb"])
    assert caught.value.code == 2


def test_shipped_models_run_from_the_copied_folder_and_print_whole_messages() -> None:
    command = [sys.executable, "-m", "facewire_edge", "run", "--input", "replay", "--frames", "3"]
    done = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith('{"v":1,"type":"faces"') for line in lines)
    assert '"faces":[{"id":0' in lines[-1]


@pytest.mark.parametrize("broken", ["raise ImportError('libGL.so.1: no such file')", "raise ImportError", ""])
@pytest.mark.parametrize(
    "words",
    [["run", "--input", "replay"], ["bench"], ["doctor", "--input", "replay"], ["config", "check", "facewire.toml"]],
)
def test_opencv_that_cannot_be_imported_is_told_with_its_remedy(words: list[str], broken: str, tmp_path: Path) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text(broken)
    command = [sys.executable, "-m", "facewire_edge", *words]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "OpenCV cannot be imported: " in done.stdout + done.stderr
    assert "pip install 'facewire[edge]'" in done.stdout + done.stderr


def test_closed_pipe_is_an_end_and_not_an_error() -> None:
    command = f"{sys.executable} -m facewire_edge run --input replay | head -n 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=EDGE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_uncertainty_is_told_on_request_by_a_model_that_knows_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "facewire_edge", "run", "--input", "replay", "--frames", "1", "--uncertainty"]
    done = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=60, check=False)
    (face,) = json.loads(done.stdout)["faces"]
    width = face["box"][2] - face["box"][0]
    assert len(face["uncertainty"]) == len(face["landmarks"])
    assert 0.001 * width < min(face["uncertainty"])
    assert max(face["uncertainty"]) < 0.3 * width
    card, flatbuffer = read_card(Path(EdgeConfig().model))
    outputs = {name: spec for name, spec in card.outputs.items() if name != "uncertainty"}
    attach_card(flatbuffer, replace(card, outputs=outputs), tmp_path / "old.tflite")
    command += ["--model", str(tmp_path / "old.tflite")]
    done = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ModelError.exit_code
    assert "old.tflite tells no uncertainty" in done.stderr
    assert "Traceback" not in done.stderr


def test_pose_and_blink_are_measured_on_request() -> None:
    command = [sys.executable, "-m", "facewire_edge", "run", "--input", "replay", "--frames", "1", "--pose", "--blink"]
    done = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=60, check=False)
    face = json.loads(done.stdout)["faces"][0]
    assert max(abs(angle) for angle in face["pose"].values()) < 45
    assert 0.1 < face["open"]["left_eye"] < 0.6
    assert face["blink"] is False


@pytest.mark.parametrize(("verb", "code"), [("run", 0), ("cameras", 130)])
def test_only_a_loop_ends_well_when_it_is_interrupted(verb: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facewire_edge.__main__._run", interrupted)
    assert main(["--log-level", "error", verb]) == code
