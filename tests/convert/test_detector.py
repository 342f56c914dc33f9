"""The same step for a detector: three outputs whose ranges are calibrated, a gate on its own loss."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from facewire_convert.__main__ import main
from facewire_convert.parity import gate_samples
from facewire_convert.resize import resized
from facewire_edge.card import DetectorSpec, InputSpec, ModelCard, OutputSpec
from facewire_edge.errors import UsageError
from facewire_edge.interpreter import load_model
from facewire_train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from facewire_train.config import DetectorConfig, ModelConfig
from facewire_train.evaluate import detector_loss, keras_runner
from facewire_train.images import read_image
from facewire_train.model import detector_model

SIDE, STRIDES = 96, (8, 16)
CELLS = (SIDE // 8) ** 2 + (SIDE // 16) ** 2
SHAPES = {"scores": (1, CELLS, 1), "boxes": (1, CELLS, 4), "points": (1, CELLS, 10)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    keras.utils.set_random_seed(1)
    config = DetectorConfig(strides=STRIDES, reference_px=(16.0, 48.0), channels=8)
    model = detector_model(ModelConfig(SIDE, SIDE, 8, ((16, 2), (16, 2), (24, 2))), config)
    card = ModelCard(
        kind="detector",
        name="tiny-face",
        input=InputSpec(SIDE, SIDE),
        outputs={name: OutputSpec(name, shape) for name, shape in SHAPES.items()},
        detector=DetectorSpec(STRIDES, (16.0, 48.0)),
        min_score=0.0,
    )
    path = tmp_path_factory.mktemp("detector") / "face.keras"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning)
        save_checkpoint(model, card, path)
    return load_checkpoint(path)


def quantized(conversion: Any, checkpoint: Checkpoint, folder: Path, *more: str) -> int:
    return main(
        [
            *("quantize", "--checkpoint", str(checkpoint.path), "--calibration", str(conversion.calibration_folder)),
            *("--gate-data", str(conversion.gate_folder), "--out", str(folder / "face.tflite"), *more),
        ]
    )


def same_loss(monkeypatch: pytest.MonkeyPatch, *, int8: float = 0.5, recall: float = 1.0) -> None:
    """Stand in for what the gate measures: float loses 0.5."""
    float_ = {"loss": 0.5, "recall": recall}
    monkeypatch.setattr("facewire_convert.parity.evaluate_detector", lambda *_: float_)
    monkeypatch.setattr("facewire_convert.parity.detector_loss", lambda *_: int8)


def test_detector_keeps_its_outputs_by_name(
    conversion: Any, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_loss(monkeypatch)
    assert quantized(conversion, checkpoint, tmp_path) == 0
    model = load_model(tmp_path / "face.tflite", kind="detector")
    assert {name: spec.shape for name, spec in model.card.outputs.items()} == SHAPES
    image = read_image(sorted((conversion.gate_folder / "img").iterdir())[0])
    expected, found = keras_runner(checkpoint.model)(image[np.newaxis]), model.run(image)
    for name in SHAPES:
        spread = np.abs(expected[name][0]).max()
        assert np.abs(found[name] - expected[name][0]).mean() < 0.05 * spread


def test_report_lies_beside_the_model_where_no_folder_is_named(
    conversion: Any, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_loss(monkeypatch)
    assert quantized(conversion, checkpoint, tmp_path) == 0
    gate = json.loads((tmp_path / "face-report" / "report.json").read_text())["gate"]
    assert gate["measure"] == "detector loss"


def test_detector_that_int8_makes_worse_ends_with_5(
    conversion: Any, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_loss(monkeypatch, int8=0.52)
    assert quantized(conversion, checkpoint, tmp_path) == 5
    assert not (tmp_path / "face.tflite").exists()


def test_detector_that_finds_nothing_proves_nothing(
    conversion: Any, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    same_loss(monkeypatch, recall=0.0)
    assert quantized(conversion, checkpoint, tmp_path) == 5
    assert "the float model finds none of the" in capsys.readouterr().err
    same_loss(monkeypatch, recall=0.3)
    assert quantized(conversion, checkpoint, tmp_path) == 0
    doubts = json.loads((tmp_path / "face-report" / "report.json").read_text())["gate"]["doubts"]
    assert any("finds 30 % of the faces" in doubt for doubt in doubts)


def test_verdict_is_what_float_and_int8_find_themselves(
    conversion: Any, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    assert quantized(conversion, checkpoint, tmp_path) in (0, 5)  # untrained: either may be better by chance
    gate = json.loads((tmp_path / "face-report" / "report.json").read_text())["gate"]
    samples = gate_samples([conversion.gate_folder], checkpoint.card)
    expected = detector_loss(samples, checkpoint.card, keras_runner(checkpoint.model))
    assert gate["float_percent"] == pytest.approx(100 * expected, abs=1e-3)


def test_one_training_gives_models_of_several_sizes(conversion: Any, checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert quantized(conversion, checkpoint, tmp_path, "--size", "96x64") in (0, 5)
    wide = resized(checkpoint, 96, 64)
    assert wide.card.outputs["scores"].shape == (1, 12 * 8 + 6 * 4, 1)
    picture = np.zeros((1, 64, 96, 3), np.float32)
    picture[:, :32, :32] = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3))
    square = np.zeros((1, SIDE, SIDE, 3), np.float32)
    square[:, :32, :32] = picture[:, :32, :32]
    near, far = (np.asarray(m(x)["scores"])[0, 0] for m, x in ((checkpoint.model, square), (wide.model, picture)))
    assert np.allclose(near, far, atol=1e-5)  # the first cell sees only the upper left corner


@pytest.mark.parametrize(("size", "words"), [((100, 64), "multiples of 16"), ((0, 0), "multiples of 16")])
def test_size_that_the_strides_do_not_divide_is_refused(
    checkpoint: Checkpoint, size: tuple[int, int], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        resized(checkpoint, *size)
