import numpy as np
import pytest
from facewire_train.metrics import auc, failure_rate, nme


def test_nme_is_the_mean_distance_over_the_eye_corners() -> None:
    truth = np.array([[[0, 0], [10, 0], [5, 5]]], np.float32)
    predicted = truth + np.array([3, 4], np.float32)
    assert nme(predicted, truth, (0, 1))[0] == pytest.approx(0.5)


def test_unlabelled_points_do_not_count() -> None:
    truth = np.array([[[0, 0], [10, 0], [np.nan, np.nan]]], np.float32)
    predicted = np.array([[[1, 0], [11, 0], [99, 99]]], np.float32)
    assert nme(predicted, truth, (0, 1))[0] == pytest.approx(0.1)


def test_face_without_eye_corners_has_no_nme() -> None:
    truth = np.array([[[np.nan, np.nan], [10, 0], [1, 1]]], np.float32)
    assert np.isnan(nme(truth, truth, (0, 1))[0])


def test_failure_rate_counts_missed_faces() -> None:
    assert failure_rate(np.array([0.01, 0.2, np.inf, 0.1]), 0.1) == 0.5


def test_auc_of_perfect_and_of_missed_faces() -> None:
    assert auc(np.zeros(5), 0.1) == pytest.approx(1.0)
    assert auc(np.full(5, np.inf), 0.1) == 0.0
    assert np.isnan(auc(np.array([]), 0.1))


def test_auc_equals_the_area_of_a_fine_integral() -> None:
    errors = np.random.default_rng(0).uniform(0, 0.15, 500)
    exact = np.clip(0.1 - errors, 0, None).sum() / 500 / 0.1
    assert auc(errors, 0.1) == pytest.approx(exact, abs=1e-3)  # Simpson over steps of 1e-4
