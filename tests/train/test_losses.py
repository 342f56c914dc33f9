import numpy as np
import pytest
from facewire_train.losses import focal, smooth_l1, wing


def points_target(error: float, weights: list[float]) -> tuple[np.ndarray, np.ndarray]:
    target = np.zeros((1, len(weights), 3), np.float32)
    target[0, :, 2] = weights
    return target, np.full((1, 2 * len(weights)), error, np.float32)


def itself(n: int) -> np.ndarray:
    return np.stack([np.eye(n, dtype=np.float32)] * 2)


def test_wing_is_zero_without_error_and_continuous_at_its_width() -> None:
    loss = wing(8.0, 1.5, 100, itself(1))
    assert float(loss(*points_target(0.0, [1]))) == 0
    below, above = (float(loss(*points_target(e, [1.0]))) for e in (0.07999, 0.08001))
    assert above - below == pytest.approx(0.002, abs=1e-3)


def test_unlabelled_points_do_not_count() -> None:
    loss = wing(8.0, 1.5, 100, itself(2))
    target, predicted = points_target(0.0, [1, 0])
    predicted[0, 2:] = 9.0
    assert float(loss(target, predicted)) == 0


def test_batch_without_labels_gives_zero_not_nan() -> None:
    assert float(wing(8.0, 1.5, 100, itself(2))(*points_target(0.3, [0, 0]))) == 0
    assert float(smooth_l1(0.1)(np.zeros((1, 4, 5), np.float32), np.ones((1, 4, 4), np.float32))) == 0


def test_focal_ignores_cells_without_weight_and_prefers_the_right_answer() -> None:
    target = np.array([[[1, 1], [0, 1], [0, 0]]], np.float32)
    right = np.array([[[4], [-4], [9]]], np.float32)
    loss = focal(2.0)
    assert float(loss(target, right)) < 1e-3
    assert float(loss(target, -right)) > 1.0


def test_face_of_another_schema_is_compared_with_what_the_map_gives() -> None:
    middle = np.full((2, 1, 2), 0.5, np.float32)  # one row: the mean of two points
    target = np.array([[[0, 0, 0], [0, 0, 0], [0.2, 0.4, 1]]], np.float32)
    loss = wing(8.0, 1.5, 100, np.concatenate([itself(2), middle], axis=1))
    assert float(loss(target, np.array([[0.1, 0.3, 0.3, 0.5]], np.float32))) == pytest.approx(0, abs=1e-4)
    assert float(loss(target, np.array([[0.1, 0.3, 0.3, 0.6]], np.float32))) > 1
