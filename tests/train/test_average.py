"""The mean of several runs' weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_train.__main__ import main
from facewire_train.checkpoint import load_checkpoint, save_checkpoint
from facewire_train.config import TrainConfig
from facewire_train.datasets import read_dataset
from facewire_train.landmark_task import landmark_task

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


def points(path: Path, images: np.ndarray) -> np.ndarray:
    checkpoint = load_checkpoint(path)
    assert checkpoint.card.mean_shape is not None
    residual = np.asarray(checkpoint.model(images)["landmarks"])
    return residual.reshape(len(images), -1, 2) + checkpoint.card.mean_shape


def average(out: Path, *models: Path) -> int:
    return main(["average", *(word for model in models for word in ("--model", str(model))), "--out", str(out)])


def test_mean_lies_between_its_models_though_their_mean_shapes_differ(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    task = landmark_task(config, [read_dataset(faces)])
    network, card = task.network(False), replace(task.card, terms="a; b")
    one, two, mean = tmp_path / "one.keras", tmp_path / "two.keras", tmp_path / "mean.keras"
    save_checkpoint(network, card, one)
    says = network.get_layer("landmarks")
    says.set_weights([w + 0.01 * (w.ndim == 1) for w in says.get_weights()])
    assert card.mean_shape is not None
    own = {"name": "own", "terms": "c"}
    moved = replace(card, mean_shape=card.mean_shape + np.float32(0.02), data=(*card.data, own), terms="a; c")
    save_checkpoint(network, moved, two)
    images = task.epoch(0)[0][0]
    assert average(mean, one, two) == 0
    assert np.allclose(points(mean, images), (points(one, images) + points(two, images)) / 2, atol=1e-5)
    found = load_checkpoint(mean).card
    assert found.terms == "a; b; c"
    assert [entry["name"] for entry in found.data] == ["synthetic", "own"]


def test_what_has_no_mean_is_refused(
    tmp_path: Path, faces: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [read_dataset(faces)]
    one, other, out = tmp_path / "one.keras", tmp_path / "other.keras", tmp_path / "mean.keras"
    for path, width in ((one, 12), (other, 16)):
        model = replace(config.model, blocks=(*config.model.blocks[:-1], (width, 2)))
        task = landmark_task(replace(config, model=model), data)
        save_checkpoint(task.network(False), task.card, path)
    assert average(out, one, other) == 2
    assert "other.keras is another network than" in capsys.readouterr().err
    assert average(out, one) == 2
    assert "one --model has no mean" in capsys.readouterr().err
    assert average(tmp_path / "mean.h5", one, one) == 2
    assert "--out must end in .keras" in capsys.readouterr().err
    assert not out.exists()
    out.mkdir()
    assert average(out, one, tmp_path / "absent.keras") == 7  # told before the models are read
