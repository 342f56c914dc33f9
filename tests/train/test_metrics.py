import numpy as np
import pytest
from facewire_edge.schema import IBUG68, POINTS5, WFLW98, LandmarkSchema
from facewire_train.metrics import auc, failure_rate, interval, mean_over_points, nme, normalisers, point_errors
from scipy.integrate import simpson
from scipy.spatial import distance
from scipy.stats import bootstrap


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


def reference(predicted: np.ndarray, truth: np.ndarray, schema: LandmarkSchema) -> dict[str, np.ndarray]:
    """Give the NME of each face, written once more with scipy's distances."""
    found: dict[str, list[float]] = {"inter_ocular": [], "inter_pupil": [], "box_diagonal": []}
    for said, true in zip(predicted, truth, strict=True):
        known = ~np.isnan(true).any(axis=1)
        error = np.mean([distance.euclidean(a, b) for a, b in zip(said[known], true[known], strict=True)])
        eyes = [np.mean(true[list(set(group))], axis=0) for group in (schema.points5 or ())[:2]]
        found["inter_ocular"].append(error / distance.euclidean(*true[list(schema.eye_corners)]))
        found["inter_pupil"].append(error / (np.nan if np.isnan(eyes).any() else distance.euclidean(*eyes)))
        corners = np.nanmin(true, axis=0), np.nanmax(true, axis=0)
        found["box_diagonal"].append(error / distance.euclidean(*corners))
    return {name: np.array(values) for name, values in found.items()}


def reference_auc(errors: np.ndarray, threshold: float) -> tuple[float, float]:
    """Give AUC and FR as PIPNet's and STAR's code counts them, with scipy's integral."""
    xs = np.arange(0, threshold + 1e-4, 1e-4)
    ys = np.array([np.count_nonzero(errors <= x) / len(errors) for x in xs])
    return simpson(ys, x=xs) / threshold, 1 - ys[-1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("schema", [IBUG68, WFLW98, POINTS5], ids=lambda s: s.name)
def test_nme_by_every_normaliser_equals_an_independent_reference(schema: LandmarkSchema, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 200, (20, schema.n, 2)).astype(np.float32)
    predicted = (truth + rng.normal(0, 3, truth.shape)).astype(np.float32)
    if seed % 2:
        truth[rng.random(truth.shape[:2]) < 0.3] = np.nan
        truth[:, list(schema.eye_corners)] = rng.uniform(0, 200, (20, 2, 2))
    mean = mean_over_points(point_errors(predicted, truth))
    for name, expected in reference(predicted, truth, schema).items():
        assert np.allclose(mean / normalisers(truth, schema)[name], expected, atol=1e-6, rtol=0, equal_nan=True)
    assert np.allclose(nme(predicted, truth, schema.eye_corners), reference(predicted, truth, schema)["inter_ocular"])


@pytest.mark.parametrize("threshold", [0.08, 0.1])
@pytest.mark.parametrize(
    "errors",
    [
        np.random.default_rng(0).uniform(0, 0.2, 300),
        np.random.default_rng(1).gamma(4, 0.012, 77),
        np.concatenate([np.random.default_rng(2).gamma(4, 0.012, 20), np.full(9, np.inf)]),
        np.array([0.0312345]),
        np.array([0.5]),
        np.array([np.inf]),
        np.full(12, np.inf),
        np.zeros(3),
    ],
    ids=["uniform", "gamma", "some missed", "one face", "one failure", "one missed", "all missed", "perfect"],
)
def test_auc_and_failure_rate_equal_an_independent_reference(errors: np.ndarray, threshold: float) -> None:
    area, failures = reference_auc(errors, threshold)
    assert auc(errors, threshold) == pytest.approx(area, abs=1e-6)
    assert failure_rate(errors, threshold) == pytest.approx(failures, abs=1e-6)


def test_no_face_has_no_figure() -> None:
    assert np.isnan(auc(np.array([]), 0.08))
    assert np.isnan(failure_rate(np.array([]), 0.08))
    assert np.isnan(interval(np.array([]))).all()
    assert mean_over_points(np.full((1, 3), np.nan)).tolist() == pytest.approx([np.nan], nan_ok=True)


def test_interval_is_that_of_scipys_bootstrap() -> None:
    values = np.random.default_rng(0).gamma(4, 0.012, 200)
    low, high = interval(values)
    expected = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(3)).confidence_interval
    assert low == pytest.approx(expected.low, rel=0.02)  # 1,000 rounds against 10,000
    assert high == pytest.approx(expected.high, rel=0.02)
