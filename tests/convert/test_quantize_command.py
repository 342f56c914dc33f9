"""The command from end to end: files, exit codes, and one line where it fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from facewire_convert.__main__ import main
from facewire_edge.card import read_card
from facewire_edge.interpreter import load_model


def arguments(conversion: Any, folder: Path, **changed: Path | str) -> list[str]:
    """Give a command line; the tiny network (48 px, 8 channels) loses up to 4 %, ours of 112 px nothing."""
    values: dict[str, Path | str] = {
        "checkpoint": conversion.checkpoint.path,
        "calibration": conversion.calibration_folder,
        "gate-data": conversion.gate_folder,
        "out": folder / "out" / "model.tflite",
        "report": folder / "report",
        "max-relative-loss": "0.10",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return ["quantize", *(part for name, value in values.items() for part in (f"--{name}", str(value)))]


@pytest.fixture(scope="module")
def finished(conversion: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    assert main(arguments(conversion, folder)) == 0
    return folder


def test_model_file_runs_and_carries_the_gate(finished: Path) -> None:
    model = load_model(finished / "out" / "model.tflite", kind="landmarks")
    gate = model.card.metrics["int8"]
    assert gate["holds"]
    assert gate["faces"] == 50
    assert 0 < gate["px_per_lsb"] < 0.2


def test_report_is_complete(finished: Path) -> None:
    values = json.loads((finished / "report" / "report.json").read_text())
    assert values["gate"]["holds"]
    assert values["calibration"]["black and white"] == 2
    assert values["edgetpu"]["findings"] == []
    assert {f.name for f in (finished / "report").iterdir()} == {
        "report.html",
        "report.json",
        "worst_faces.png",
        "per_landmark.png",
    }


def test_report_of_a_gate_that_tells_little_says_so(conversion: Any, tmp_path: Path) -> None:
    shutil.copytree(conversion.gate_folder, tmp_path / "gate")
    labels = tmp_path / "gate" / "faces.jsonl"
    labels.write_text("\n".join(labels.read_text().splitlines()[:3]))
    assert main(arguments(conversion, tmp_path, gate_data=tmp_path / "gate", max_relative_loss="1")) == 0
    for name in ("report.json", "report.html"):
        assert "3 faces are too few to tell" in (tmp_path / "report" / name).read_text()
    assert read_card(tmp_path / "out" / "model.tflite")[0].metrics["int8"]["doubts"]


def test_report_page_fits_a_telephone(finished: Path) -> None:
    page = (finished / "report" / "report.html").read_text()
    assert '<meta name="viewport" content="width=device-width' in page
    assert page.count("<table") == page.count('<div class="wide"><table') == 3


def test_report_page_needs_nothing_else(finished: Path) -> None:
    page = (finished / "report" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "://" not in page  # base64 has no colon


def test_same_input_gives_the_same_file(conversion: Any, finished: Path, tmp_path: Path) -> None:
    assert main(arguments(conversion, tmp_path)) == 0
    written = (tmp_path / "out" / "model.tflite").read_bytes()
    assert written == (finished / "out" / "model.tflite").read_bytes()


def test_failed_gate_ends_with_5_keeps_the_report_and_writes_no_model(
    conversion: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("facewire_convert.quantize.LANDMARK_RANGE", 0.005)
    assert main(arguments(conversion, tmp_path)) == 5
    assert not (tmp_path / "out").exists()
    assert not json.loads((tmp_path / "report" / "report.json").read_text())["gate"]["holds"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "parity gate" in captured.err.splitlines()[-1]


def test_failed_gate_leaves_an_earlier_model_alone(
    conversion: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facewire_convert.quantize.LANDMARK_RANGE", 0.005)
    earlier = tmp_path / "earlier.tflite"
    earlier.write_bytes(conversion.model_path.read_bytes())
    assert main(arguments(conversion, tmp_path, out=earlier)) == 5
    assert read_card(earlier)[0].sha256 == conversion.card.sha256


def test_missing_checkpoint_ends_with_4(conversion: Any, tmp_path: Path) -> None:
    assert main(arguments(conversion, tmp_path, checkpoint=tmp_path / "none.keras")) == 4


def test_cut_off_checkpoint_ends_with_4(conversion: Any, tmp_path: Path) -> None:
    cut = tmp_path / "cut.keras"
    cut.write_bytes(conversion.checkpoint.path.read_bytes()[:5000])
    assert main(arguments(conversion, tmp_path, checkpoint=cut)) == 4


def test_empty_calibration_folder_ends_with_6(conversion: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(arguments(conversion, tmp_path, calibration=tmp_path / "empty")) == 6


def test_missing_gate_data_ends_with_6(conversion: Any, tmp_path: Path) -> None:
    assert main(arguments(conversion, tmp_path, gate_data=tmp_path / "none")) == 6


@pytest.mark.parametrize("ending", ["", ":native"])
def test_gate_set_named_twice_ends_with_2(
    conversion: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    assert main([*arguments(conversion, tmp_path), "--gate-data", f"{conversion.gate_folder}{ending}"]) == 2
    assert "--gate-data" in (message := capsys.readouterr().err.splitlines()[-1])
    assert "is named twice" in message


def test_gate_on_the_calibration_images_ends_with_6(conversion: Any, tmp_path: Path) -> None:
    assert main(arguments(conversion, tmp_path, calibration=conversion.gate_folder)) == 6


@pytest.mark.parametrize("what", ["out", "report"])
def test_what_is_in_the_way_of_the_results_ends_with_7_before_the_work(
    conversion: Any, tmp_path: Path, what: str
) -> None:
    (tmp_path / "taken.tflite").mkdir()
    (tmp_path / "file").write_text("")
    place = {"out": tmp_path / "taken.tflite", "report": tmp_path / "file"}[what]
    assert main(arguments(conversion, tmp_path, **{what: place, "checkpoint": tmp_path / "none.keras"})) == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken.tflite"]


@pytest.mark.parametrize("changed", [{"max_relative_loss": "-1"}, {"max_relative_loss": "nan"}, {"out": "model.keras"}])
def test_command_line_that_cannot_be_meant_ends_with_2(
    conversion: Any, tmp_path: Path, changed: dict[str, str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments(conversion, tmp_path, **changed))
    assert caught.value.code == 2


def test_missing_extra_is_one_line_that_names_the_remedy(
    conversion: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("facewire_convert.__main__").__main__.NEEDED, "quantize", ("no_such_module",))
    assert main(arguments(conversion, tmp_path)) == 2
    assert "pip install 'facewire[train]'" in capsys.readouterr().err
