from pathlib import Path

import pytest
from facewire_edge.errors import UsageError
from facewire_train.checkpoint import load_checkpoint
from facewire_train.config import load_config
from facewire_train.model import detector_model, landmark_model
from facewire_train.shipped import initial_checkpoint


def test_file_is_taken_as_it_is() -> None:
    assert initial_checkpoint("runs/x/model.keras", "landmarks") == Path("runs/x/model.keras")


def test_unknown_shipped_model_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(UsageError, match="--init shipped:nothing: no such model ships"):
        initial_checkpoint("shipped:nothing", "landmarks")


@pytest.mark.parametrize(
    ("config", "init", "n"),
    [
        ("finetune", "shipped", 20),
        ("landmarks68", "shipped", 68),
        ("landmarks68_more", "shipped", 68),
        ("landmarks68_lite", "shipped:landmarks68_lite", 68),
        ("landmarks68_lite_more", "shipped:landmarks68_lite", 68),
    ],
)
def test_shipped_landmark_weights_fit_the_configuration(config: str, init: str, n: int) -> None:
    checkpoint = load_checkpoint(initial_checkpoint(init, "landmarks"))
    shipped, settings = checkpoint.model, load_config(Path(f"train/configs/{config}.toml"))
    network = landmark_model(settings.model, n, normed=False)
    assert n != 68 or checkpoint.card.min_presence == settings.model.min_presence
    for layer in network.layers:
        if layer.name not in ("landmarks", "uncertainty") or n == 68:
            assert [w.shape for w in layer.weights] == [w.shape for w in shipped.get_layer(layer.name).weights]


def test_shipped_detector_weights_fit_the_configuration() -> None:
    shipped = load_checkpoint(initial_checkpoint("shipped", "detector")).model
    config = load_config(Path("train/configs/face.toml"))
    network = detector_model(config.model, config.detector, normed=False)
    assert [w.shape for w in network.weights] == [w.shape for w in shipped.weights]
