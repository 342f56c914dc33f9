import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from facewire_edge.errors import UsageError
from facewire_train.config import load_config
from facewire_train.optimizers import OPTIMIZERS, make_optimizer
from facewire_train.run_log import write_history_csv

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


def step(name: str, gradient: float, weight_decay: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Give kernel and bias after one step from 1."""
    variables = [keras.Variable(np.ones(2, np.float32), name=n) for n in ("kernel", "bias")]
    optimizer = make_optimizer(name, 0.01, weight_decay, ema_momentum=0.5)
    optimizer.build(variables)
    optimizer.apply([keras.ops.full((2,), gradient)] * 2, variables)
    weights = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    optimizer.finalize_variable_values(variables)  # what Keras does after every fit: nothing here
    assert (keras.ops.convert_to_numpy(variables[0]) == weights[0]).all()
    optimizer.put_average(variables)
    average = keras.ops.convert_to_numpy(variables[0])
    assert (weights[0] <= average).all()
    assert (average <= 1).all()
    return weights[0], weights[1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_goes_downhill_and_keeps_an_average_beside(name: str) -> None:
    kernel, bias = step(name, gradient=1.0)
    assert (kernel < 1).all()
    assert (bias < 1).all()


def test_weights_decay_apart_from_biases_and_not_under_adam() -> None:
    for name in OPTIMIZERS:
        kernel, bias = step(name, gradient=0.0)
        assert np.allclose(kernel, 1.0 if name == "adam" else 0.999)
        assert np.allclose(bias, 1.0)


def test_unknown_optimizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('name = "x"\n[model]\nblocks = [[8, 2]]\n[fit]\noptimizer = "lion"\n')
    with pytest.raises(UsageError, match="adamw, adam or sgd, got 'lion'"):
        load_config(tmp_path / "c.toml")


def test_table_of_epochs_leaves_out_what_an_epoch_does_not_have(tmp_path: Path) -> None:
    write_history_csv([{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 2.0, "val_nme_percent": 7}], tmp_path / "h.csv")
    with (tmp_path / "h.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"epoch": "1", "loss": "2.5", "val_nme_percent": ""}
    assert rows[1]["val_nme_percent"] == "7"
