"""What a model learns beside its landmarks: right where known, silent where not, gone from what is exported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.errors import UsageError
from facewire_edge.geometry import Box
from facewire_edge.schema import IBUG68, POINTS5
from facewire_train.asides import USUAL_DEG, Asides
from facewire_train.checkpoint import load_checkpoint
from facewire_train.config import TrainConfig
from facewire_train.datasets import read_dataset
from facewire_train.fit import base_record, fingerprint, fit
from facewire_train.head import mean_head
from facewire_train.labels import Sample
from facewire_train.landmark_task import landmark_task
from facewire_train.train_command import initialised

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2


def face(**attributes: object) -> Sample:
    points, seen = np.zeros((68, 2), np.float32), np.ones(68, bool)
    return Sample(Path("a.jpg"), Box(0, 0, 1, 1), points, seen, None, "train", "s", "p", "s", attributes=attributes)


def turned(yaw_deg: float) -> np.ndarray:
    """Give the mean head's landmarks (68, 2) after a turn to the image's right."""
    x, y, z = mean_head().T
    yaw = np.radians(yaw_deg)
    return np.stack([x * np.cos(yaw) + z * np.sin(yaw), y], 1).astype(np.float32)


def test_pose_is_that_of_the_points_and_turns_with_a_mirror() -> None:
    asides = Asides(IBUG68, [face()], ())
    ahead, right = asides.of(0, turned(0)), asides.of(0, turned(30))
    np.testing.assert_allclose(ahead[:, 0], 0, atol=0.01)
    assert abs(right[0, 0]) * USUAL_DEG == pytest.approx(30, abs=0.5)
    mirrored = (turned(30) * [-1, 1])[IBUG68.mirror].astype(np.float32)
    np.testing.assert_allclose(asides.of(0, mirrored)[:, 0], right[:, 0] * [-1, 1, -1], atol=0.01)
    assert (right[:, 1] == 1).all()


def test_pose_that_the_points_do_not_tell_weighs_nothing() -> None:
    missing = np.full((68, 2), np.nan, np.float32)
    missing[:17] = turned(0)[:17]  # the jaw slides along the outline
    assert (Asides(IBUG68, [face()], ()).of(0, missing) == 0).all()
    assert (Asides(POINTS5, [face()], ()).of(0, turned(0)[:5]) == 0).all()


def test_attributes_are_standardised_and_silent_where_unknown() -> None:
    asides = Asides(IBUG68, [face(smile=1), face(smile=2), face(smile="yes"), face()], ("smile",))
    told = np.stack([asides.of(i, turned(0))[3] for i in range(4)])
    np.testing.assert_allclose(told, [[-1, 1], [1, 1], [0, 0], [0, 0]], atol=1e-6)
    with pytest.raises(UsageError, match=r"names 'hat'.*there are: smile"):
        Asides(IBUG68, [face(smile=1)], ("hat",))


def test_exported_model_has_forgotten_them_and_training_goes_on_from_it(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    wanted = replace(config, loss=replace(config.loss, asides=1.0), fit=replace(config.fit, epochs=1))
    data = [read_dataset(faces)]
    task, run = landmark_task(wanted, data), tmp_path / "run"
    fit(task, wanted, run, base_record(wanted, data, fingerprint(wanted, data)))
    model = load_checkpoint(run / "model.keras").model
    assert set(model.output) == {"landmarks", "presence", "uncertainty"}
    assert not [layer for layer in model.layers if layer.name == "asides"]
    again = initialised(task, run / "model.keras").network(True)
    assert again.output["asides"].shape == (None, 3)
