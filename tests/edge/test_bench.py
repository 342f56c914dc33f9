import json

import pytest
from facewire_edge.__main__ import main


def test_bench_measures_the_loop_and_names_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--frames", "5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == 5
    assert report["device"]
    assert report["versions"]["numpy"]
    assert report["models"]["run_on"] == "cpu"
    assert {"landmarks", "publish", "total"} <= set(report["ms"])
    for name in ("frames_per_s", "cpu_ms_per_frame", "cpu_percent", "resident_mb", "first_message_s"):
        assert report[name] > 0
    assert {"temperature_c", "throttling"} <= set(report)


def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--frames", "5"]) == 0
    text = capsys.readouterr().out
    assert "first message after" in text
    assert "median ms" in text


def test_bench_of_a_loop_that_does_not_start_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--model", "missing.tflite"]) == 4
    assert "missing.tflite" in capsys.readouterr().err
