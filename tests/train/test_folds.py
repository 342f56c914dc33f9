import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.errors import DataError
from facewire_train.__main__ import main
from facewire_train.compare_command import Run, with_names_apart
from facewire_train.datasets import read_dataset, read_labels
from facewire_train.folds import fold_of, spread, with_fold
from facewire_train.labels import is_validation

from tests.train.made_sets import write_coco

CONFIG = """
name = "tiny"
[model]
width = 32
height = 32
stem = 4
blocks = [[8, 2], [12, 2]]
[fit]
epochs = {epochs}
batch = 8
"""
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


def write_config(folder: Path, epochs: int = 1) -> str:
    (folder / f"{epochs}.toml").write_text(CONFIG.format(epochs=epochs))
    return str(folder / f"{epochs}.toml")


def test_every_subject_is_held_back_once_and_the_test_split_never(faces: Path) -> None:
    data = read_dataset(faces)
    folds = [with_fold(data, k, 3) for k in range(3)]
    held_back = [{s.subject for s in fold.split("val")} for fold in folds]
    assert sum(map(len, held_back)) == len(set.union(*held_back)) == 27
    assert all(not held & {s.subject for s in fold.split("train")} for held, fold in zip(held_back, folds, strict=True))
    assert all(fold.split("test") == data.split("test") for fold in folds)
    assert len({fold.fingerprint for fold in folds}) == 3


def test_no_fold_is_measured_by_points_that_a_model_filled_in(faces: Path) -> None:
    data = read_labels(faces)
    data = replace(data, samples=tuple(replace(s, filled={3: 0.5}) for s in data.samples))
    for k in range(3):
        for sample in with_fold(data, k, 3).samples:
            assert bool(np.isfinite(sample.points[3]).all()) == bool(sample.filled) == (sample.split == "train")


@pytest.mark.parametrize("subject", [os.fsdecode(b"j\xfc.png"), "\ud800"])
def test_subject_whose_name_is_no_utf8_is_held_back_by_the_same_rule(subject: str) -> None:
    assert fold_of(subject, 3) in range(3)
    assert is_validation(subject) in (False, True)


def test_an_image_of_several_people_is_on_one_side_of_a_fold(faces: Path) -> None:
    data = read_dataset(faces)
    shared = next(s for s in data.samples if s.split != "test")
    samples = tuple(replace(s, image=shared.image) if s.split != "test" else s for s in data.samples[:6])
    samples += tuple(s for s in data.samples[6:])
    for k in range(3):
        fold = with_fold(replace(data, samples=samples), k, 3)
        sides = {s.split for s in fold.samples if s.image == shared.image}
        assert len(sides) == 1


def test_set_with_too_few_people_for_the_folds_is_refused(tmp_path: Path) -> None:
    data = read_dataset(write_coco(tmp_path, count=1))
    data = replace(data, samples=tuple(replace(s, subject="one") for s in data.samples))
    with pytest.raises(DataError, match="too few people"):
        with_fold(data, fold_of("one", 3), 3)


def test_spread_of_figures_is_that_of_a_sample() -> None:
    table = spread([{"validation": {"val_nme_percent": v}} for v in (4.0, 5.0, 6.0)])
    assert table == {"folds": 3, "val_nme_percent": {"mean": 5.0, "deviation": 1.0, "each": [4.0, 5.0, 6.0]}}


def test_folds_train_and_compare_sets_them_side_by_side(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "folds"
    fit = ["fit", "--config", write_config(tmp_path), "--data", str(faces), "--out", str(out), "--folds", "2"]
    assert main(fit) == 0
    table = json.loads(capsys.readouterr().out)
    assert len(table["val_nme_percent"]["each"]) == 2
    assert json.loads((out / "folds.json").read_text()) == table
    assert main(fit) == 0  # finished: nothing to do
    assert json.loads(capsys.readouterr().out) == table
    other = tmp_path / "other"
    assert main(["fit", "--config", write_config(tmp_path, 2), "--data", str(faces), "--out", str(other)]) == 0
    page = tmp_path / "page.html"
    assert main(["compare", str(out / "fold-0"), str(out / "fold-1"), str(other), "--page", str(page)]) == 0
    text = capsys.readouterr().out
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert rows["fit.epochs"] == ["fit.epochs", "1", "1", "2"]
    assert "fit.batch" not in rows
    assert "final val_nme_percent" in rows
    assert "Settings that differ" in page.read_text()


def test_no_fold_is_trained_where_a_later_one_cannot_be(tmp_path: Path, faces: Path) -> None:
    out = tmp_path / "folds"
    assert (
        main(["fit", "--config", write_config(tmp_path), "--data", str(faces), "--out", str(out), "--folds", "99"]) == 6
    )
    assert not out.exists()


def test_runs_of_one_name_are_told_apart_by_their_paths() -> None:
    runs = [Run("fold-0", {}, {}, []), Run("fold-0", {}, {}, []), Run("other", {}, {}, [])]
    folders = [Path("a/fold-0"), Path("b/fold-0"), Path("c/other")]
    assert [run.name for run in with_names_apart(runs, folders)] == ["a/fold-0", "b/fold-0", "c/other"]
    assert with_names_apart(runs[1:], folders[1:]) == runs[1:]


def test_folder_without_a_run_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    page = tmp_path / "page.html"
    page.mkdir()
    assert main(["compare", str(tmp_path), "--page", str(page)]) == 7
