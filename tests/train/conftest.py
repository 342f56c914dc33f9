"""A small rendered data set and a small network."""

import json
import shutil
from pathlib import Path

import pytest
from facewire_train.config import AugmentConfig, DataConfig, FitConfig, ModelConfig, TrainConfig
from facewire_train.datasets import read_dataset
from facewire_train.render import write_dataset


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of 30 rendered faces in the native format; every tenth is of the test split."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    write_dataset(folder, 30, seed=5, size_px=80)
    return folder


@pytest.fixture
def five(tmp_path: Path, faces: Path) -> Path:
    """Give a folder of the same faces, called ``five``, of which only the five points are labelled."""
    folder = tmp_path / "five"
    shutil.copytree(faces, folder)
    (folder / "dataset.toml").write_text('format = 1\nname = "five"\nschema = "points5"\n')
    lines = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    for sample, line in zip(read_dataset(faces).samples, lines, strict=True):
        assert sample.points5 is not None
        line["faces"][0] |= {"points": sample.points5.tolist(), "visibility": "vvvvv"}
    (folder / "faces.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(
        name="tiny",
        model=ModelConfig(width=32, height=32, stem=4, blocks=((8, 2), (8, 1), (12, 2))),
        fit=FitConfig(epochs=3, batch=8, warmup_epochs=1.0, average=0.9, validate_every=1),
        augment=AugmentConfig(),
        data=DataConfig(negatives=0.2),
    )
