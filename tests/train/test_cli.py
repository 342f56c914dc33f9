import json
from pathlib import Path

import pytest
from facewire_train import __main__ as cli
from facewire_train.__main__ import main

CONFIG = """
name = "tiny"
[model]
width = 32
height = 32
stem = 4
blocks = [[8, 2], [12, 2]]
[fit]
epochs = 1
batch = 8
"""
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path / "c.toml"


def test_fit_then_evaluate_writes_the_documented_keys(tmp_path: Path, faces: Path, config: Path) -> None:
    run, figures = tmp_path / "run", tmp_path / "figures.json"
    assert main(["fit", "--config", str(config), "--data", str(faces), "--out", str(run)]) == 0
    before = (run / "model.keras").stat().st_mtime_ns
    assert main(["fit", "--config", str(config), "--data", str(faces), "--out", str(run)]) == 0
    assert (run / "model.keras").stat().st_mtime_ns == before  # finished: nothing to do
    evaluate = ["evaluate", "--model", str(run / "model.keras"), "--data", str(faces), "--split", "test"]
    assert main([*evaluate, "--json", str(figures), "--report", str(tmp_path / "report")]) == 0
    found = json.loads(figures.read_text())
    keys = {"nme_percent", "fr10_percent", "auc10", "faces", "missed", "mean_shape_nme_percent"}
    assert keys <= set(found)
    assert keys <= set(found["subsets"]["synthetic"])
    assert {p.name for p in (tmp_path / "report").iterdir()} == {"ced.png", "worst.png"}


def test_finished_run_without_its_model_is_trained_again(tmp_path: Path, faces: Path, config: Path) -> None:
    fit = ["fit", "--config", str(config), "--data", str(faces), "--out", str(tmp_path / "run")]
    assert main(fit) == 0
    before = (tmp_path / "run" / "history.json").read_text()
    (tmp_path / "run" / "model.keras").unlink()
    assert main(fit) == 0
    assert (tmp_path / "run" / "model.keras").is_file()
    assert len(json.loads((tmp_path / "run" / "history.json").read_text())) == len(json.loads(before))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fit", "--config", "missing.toml"], 2, "cannot read configuration"),
        (["fit", "--config", "CONFIG", "--data", "nowhere"], 6, "no data folder"),
        (["evaluate", "--model", "missing.keras", "--data", "DATA"], 4, "no checkpoint"),
        (["evaluate", "--model", "missing.tflite", "--data", "DATA"], 4, "cannot read model"),
        (["evaluate", "--model", "CONFIG", "--data", "DATA"], 4, "no Keras model"),
        (["evaluate", "--model", "missing.keras", "--data", "DATA", "--data", "DATA"], 2, "named twice"),
        (["fit", "--config", "CONFIG", "--data", "DATA", "--data", "DATA"], 2, "named twice"),
        (["fit", "--config", "CONFIG", "--data", "DATA", "--data", "DATA:native"], 2, "named twice"),
        (["evaluate", "--model", "missing.keras", "--data", "DATA", "--json", "."], 7, "Is a directory"),
        (["evaluate", "--model", "missing.keras", "--data", "DATA", "--report", "CONFIG"], 7, "Not a directory"),
        (["inspect-data", "missing", "--out", "CONFIG/x.html"], 7, "Not a directory"),
        (["fill", "--model", "missing.keras", "--data", "DATA", "--out", "CONFIG/x.html"], 7, "Not a directory"),
        (["render", "--out", "DATA", "--count", "1"], 2, "not empty"),
        (["render", "--out", ".", "--count", "1"], 2, "the working folder itself"),
        (["render", "--out", "new", "--count", "0"], 2, "must be 1 or more"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    arguments: list[str], code: int, words: str, faces: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"CONFIG": str(config), "DATA": str(faces)}
    places |= {"DATA:native": f"{faces}:native", "CONFIG/x.html": f"{config}/x.html"}
    assert main([places.get(a, a) for a in arguments]) == code
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("facewire-train: ")
    assert words in last


def test_without_the_training_packages_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert main(["fit", "--config", str(config)]) == 2
    assert "pip install 'facewire[train]'" in capsys.readouterr().err
