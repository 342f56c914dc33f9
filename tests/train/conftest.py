"""A small rendered data set and a small network."""

from pathlib import Path

import pytest
from facewire_train.config import AugmentConfig, DataConfig, FitConfig, ModelConfig, TrainConfig
from facewire_train.render import write_dataset


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of 30 rendered faces in the native format; every tenth is of the test split."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    write_dataset(folder, 30, seed=5, size_px=80)
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
