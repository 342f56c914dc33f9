import numpy as np
import pytest
from facewire_train.losses import PENALTIES, Penalty, focal, regression, smooth_l1, soft_wing, spread, wing


def points_target(error: float, weights: list[float]) -> tuple[np.ndarray, np.ndarray]:
    target = np.zeros((1, len(weights), 3), np.float32)
    target[0, :, 2] = weights
    return target, np.full((1, 2 * len(weights)), error, np.float32)


def itself(n: int) -> np.ndarray:
    return np.stack([np.eye(n, dtype=np.float32)] * 2)


def test_wing_is_zero_without_error_and_continuous_at_its_width() -> None:
    loss = regression(wing(8.0, 1.5), 100, itself(1))
    assert float(loss(*points_target(0.0, [1]))) == 0
    below, above = (float(loss(*points_target(e, [1.0]))) for e in (0.07999, 0.08001))
    assert above - below == pytest.approx(0.002, abs=1e-3)


@pytest.mark.parametrize("penalty", [*PENALTIES.values(), wing(8.0, 1.5), soft_wing(8.0, 1.5)])
def test_penalty_is_least_without_error_and_grows_with_it(penalty: Penalty) -> None:
    sizes = np.linspace(0, 20, 400)
    values = np.asarray(penalty(np.stack([sizes, sizes], axis=1)[:, None]))[:, 0]
    assert values[0] == pytest.approx(0, abs=2e-3)
    assert (np.diff(values) > 0).all()
    assert (np.diff(values) <= 8 / 1.5 * np.diff(sizes) + np.square(sizes[1:]) / 2 - np.square(sizes[:-1]) / 2).all()


def test_soft_wing_has_no_jump_where_it_bends() -> None:
    below, above = (float(soft_wing(8.0, 1.5)(np.full((1, 2), e))[0]) for e in (1.999, 2.001))
    assert above - below == pytest.approx(0.002 * (1 + 8 / 3.5) / 2, rel=0.01)


def test_distance_is_what_nme_averages() -> None:
    target, predicted = np.zeros((1, 2, 3), np.float32), np.array([[0.03, 0.04, 0.0, 0.1]], np.float32)
    target[..., 2] = 1
    assert float(regression(PENALTIES["distance"], 100, itself(2))(target, predicted)) == pytest.approx(7.5, abs=1e-3)


def test_spread_is_least_at_the_logarithm_of_the_distance() -> None:
    target = np.array([[[0.0, 0.0, 1.0], [0.3, 0.3, 0.0]]], np.float32)  # the second point is not labelled
    guesses = np.linspace(-5, 0, 51)
    predicted = [np.array([[0.06, 0.08, 9, 9, guess, 9]], np.float32) for guess in guesses]
    values = [float(spread(2)(target, p)) for p in predicted]
    assert guesses[np.argmin(values)] == pytest.approx(np.log(0.1), abs=0.05)


def test_unlabelled_points_do_not_count() -> None:
    loss = regression(wing(8.0, 1.5), 100, itself(2))
    target, predicted = points_target(0.0, [1, 0])
    predicted[0, 2:] = 9.0
    assert float(loss(target, predicted)) == 0


def test_batch_without_labels_gives_zero_not_nan() -> None:
    assert float(regression(wing(8.0, 1.5), 100, itself(2))(*points_target(0.3, [0, 0]))) == 0
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
    loss = regression(wing(8.0, 1.5), 100, np.concatenate([itself(2), middle], axis=1))
    assert float(loss(target, np.array([[0.1, 0.3, 0.3, 0.5]], np.float32))) == pytest.approx(0, abs=1e-4)
    assert float(loss(target, np.array([[0.1, 0.3, 0.3, 0.6]], np.float32))) > 1
