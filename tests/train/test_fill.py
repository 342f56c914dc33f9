import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.card import ModelCard
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box, CropTransform
from facewire_train.__main__ import main
from facewire_train.checkpoint import save_checkpoint
from facewire_train.config import TrainConfig
from facewire_train.datasets import Sample, read_dataset, read_labels
from facewire_train.fill import Guess, Seer, corrected, doubted, error_covariance, fill, lifted, look, weight_of
from facewire_train.import_command import import_dataset
from facewire_train.labels import labelled_points
from facewire_train.landmark_task import landmark_task
from facewire_train.rows import rows_for
from facewire_train.samples import Region, thinned

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


def silent(images: np.ndarray) -> dict[str, np.ndarray]:
    """Stand for a network that has learned nothing: it says the mean shape."""
    return {"landmarks": np.zeros((len(images), 136), np.float32)}


@pytest.fixture
def card(faces: Path, config: TrainConfig) -> ModelCard:
    return landmark_task(config, [read_dataset(faces)]).card


def with_gaps(samples: tuple[Sample, ...], share: float) -> list[Sample]:
    rng = np.random.default_rng(0)
    gaps = []
    for sample in samples:
        points = sample.points.copy()
        points[rng.random(len(points)) < share] = np.nan
        gaps.append(replace(sample, points=points))
    return gaps


def test_error_at_labelled_points_moves_the_others() -> None:
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.05, (200, 1, 2))  # a model that is off by the same at all points of a face
    covariance = error_covariance(list(np.repeat(shifts, 4, axis=1) + rng.normal(0, 0.002, (200, 4, 2))))
    crop = CropTransform(0, 0, 1, 0, 1)
    known = np.array([[0.53, 0.48], [np.nan, np.nan], [0.53, 0.48], [np.nan, np.nan]])
    guess = Guess(crop, np.full((4, 2), 0.5), np.full(4, 0.001), known)
    found = corrected(guess, covariance)
    assert np.abs(found.points - [0.53, 0.48]).max() < 0.008
    assert found.spread.max() < 0.05
    blind = corrected(replace(guess, known=np.full((4, 2), np.nan)), covariance)
    assert np.allclose(blind.points, 0.5)
    assert blind.spread.min() > 2 * found.spread.max()  # nothing known: as unsure as the model is on the average


def test_covariance_of_errors_with_gaps_can_be_inverted() -> None:
    rng = np.random.default_rng(1)
    errors = [np.where(rng.random((6, 1)) < 0.7, np.nan, rng.normal(0, 0.02, (6, 2))) for _ in range(40)]
    assert np.linalg.eigvalsh(error_covariance(errors)).min() > 0


def test_filled_points_are_nearer_to_the_truth_than_what_the_model_says(faces: Path, card: ModelCard) -> None:
    truth = read_dataset(faces).samples
    gaps = with_gaps(truth, 0.5)
    found = fill(gaps, [Seer(card, silent)], None, max_spread=1.0)
    assert card.mean_shape is not None
    said, filled = [], []
    for true, gap, sample in zip(truth, gaps, found, strict=True):
        missing = ~labelled_points(gap.points)
        laid = CropTransform.from_landmarks(gap.points, card.mean_shape, 1).from_units(card.mean_shape)
        said.append(np.linalg.norm((laid - true.points)[missing], axis=1).mean())
        filled.append(np.linalg.norm((sample.points - true.points)[missing], axis=1).mean())
        assert (sample.points[~missing] == gap.points[~missing]).all()
        assert set(sample.filled) == set(np.flatnonzero(missing))
    assert np.mean(filled) < 0.6 * np.mean(said)


def test_point_of_which_the_model_is_unsure_stays_unlabelled(faces: Path, card: ModelCard) -> None:
    gaps = with_gaps(read_dataset(faces).samples, 0.5)
    assert all(not s.filled for s in fill(gaps, [Seer(card, silent)], None, max_spread=1e-6))
    some = fill(gaps, [Seer(card, silent)], None, max_spread=0.07)
    assert 0 < sum(len(s.filled) for s in some) < sum(int((~labelled_points(g.points)).sum()) for g in gaps)
    assert all(0 < w <= 1 for s in some for w in s.filled.values())
    assert weight_of(0.0) == 1 > weight_of(0.01) > weight_of(0.05)


def test_face_without_labels_is_left_alone_where_no_detector_finds_it(faces: Path, card: ModelCard) -> None:
    blank = np.full((68, 2), np.nan, np.float32)
    samples = [replace(s, points=blank, points5=None) for s in read_dataset(faces).samples[:2]]
    samples.append(read_dataset(faces).samples[2])
    found = fill(samples, [Seer(card, silent)], lambda image: [], max_spread=1.0)
    assert not any(s.filled for s in found)


def test_face_of_five_points_gets_the_models_points(faces: Path, five: Path, card: ModelCard) -> None:
    assert card.schema is not None
    truth, known = read_dataset(faces).samples, read_dataset(five).samples
    found = fill([lifted(s, card.schema) for s in known], [Seer(card, silent)], None, max_spread=1.0)
    assert sum(bool(s.filled) for s in found) > len(found) / 2  # of the others this network knows too little
    for true, sample in [(t, s) for t, s in zip(truth, found, strict=True) if s.filled]:
        assert set(sample.filled) == set(range(68))
        apart = np.linalg.norm(sample.points - true.points, axis=1).mean()
        assert apart < 0.12 * max(true.box.width, true.box.height)  # the mean shape on the five points


def test_face_of_five_points_keeps_them_where_the_models_are_unsure(five: Path, card: ModelCard) -> None:
    def scattered(images: np.ndarray) -> dict[str, np.ndarray]:
        return {"landmarks": np.random.default_rng(0).normal(0, 0.3, (len(images), 136)).astype(np.float32)}

    assert card.schema is not None
    gaps = [lifted(s, card.schema) for s in read_dataset(five).samples]
    assert fill(gaps, [Seer(card, scattered)], None, max_spread=1.0) == gaps


def test_five_points_and_box_that_came_of_a_part_come_of_the_whole(faces: Path, card: ModelCard) -> None:
    assert card.schema is not None
    assert card.schema.points5 is not None
    truth, gaps = read_dataset(faces).samples, []
    for sample in truth:
        points = sample.points.copy()
        points[[*range(9), 30]] = np.nan  # half of the jaw and the tip of the nose
        five = card.schema.points5_of(points)
        gaps.append(replace(sample, points=points, points5=five, box=Box.around(points)))
    own = Box(0, 0, 5, 5)
    gaps[0] = replace(gaps[0], points5=truth[0].points5, box=own)
    found = fill(gaps, [Seer(card, silent)], None, max_spread=1.0)
    assert (found[0].points5 == truth[0].points5).all()
    assert found[0].box == own
    for sample in found[1:]:
        assert np.isfinite(sample.points5).all()
        assert sample.box == Box.around(sample.points)


def test_several_models_are_averaged_and_doubted_where_they_disagree(five: Path, card: ModelCard) -> None:
    def low(images: np.ndarray) -> dict[str, np.ndarray]:
        return {"landmarks": np.tile(np.float32([0, 0.1]), (len(images), 68))}

    assert card.schema is not None
    for sample in read_dataset(five).samples:
        gap = lifted(sample, card.schema)
        alone = look(gap, [Seer(card, silent)], None)
        both = look(gap, [Seer(card, silent), Seer(card, low)], None)
        assert alone is not None
        assert both is not None
        assert np.allclose(both.points - alone.points, [0, 0.05], atol=0.02)  # views are turned and grown
        assert (both.spread > alone.spread + 0.01).all()


def test_face_whose_five_points_are_elsewhere_is_doubted() -> None:
    guess = Guess(CropTransform(0, 0, 1, 0, 1), np.zeros((2, 2)), np.array([0.03, 0.04]), np.full((2, 2), np.nan), 0.05)
    assert np.allclose(doubted(guess, 0.05).spread, guess.spread)
    assert np.allclose(doubted(guess, 0.03).spread, [0.05, np.hypot(0.04, 0.04)])
    assert np.allclose(doubted(replace(guess, miss=np.nan), 0.03).spread, guess.spread)


def test_verb_lifts_a_set_of_five_points(
    tmp_path: Path, faces: Path, five: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    task = landmark_task(config, [read_dataset(faces)])
    network = task.network(False)
    says = network.get_layer("landmarks")
    says.set_weights([np.zeros_like(w) for w in says.get_weights()])
    save_checkpoint(network, replace(task.card, terms="research only"), tmp_path / "model.keras")
    arguments = ["fill", "--model", str(tmp_path / "model.keras"), "--max-spread", "0.2", "--data"]
    assert main([*arguments, str(five), "--out", str(tmp_path / "out")]) == 0
    lifted_set = read_dataset(tmp_path / "out")
    assert (lifted_set.schema.name, lifted_set.name) == ("ibug68", "five")
    assert lifted_set.terms == "research only"  # whose model tells the labels
    assert sum(bool(s.filled) for s in lifted_set.split("train")) > len(lifted_set.split("train")) / 2
    assert not any(labelled_points(s.points).any() for s in lifted_set.split("test"))
    assert all(s.points5 is not None for s in lifted_set.split("test"))
    landmark_task(config, [read_dataset(faces), lifted_set])
    other = landmark_task(replace(config, schema="points5"), [read_dataset(five)])
    save_checkpoint(other.network(False), other.card, tmp_path / "five.keras")
    capsys.readouterr()
    for models in (["five"], ["model", "five"]):
        named = [word for model in models for word in ("--model", str(tmp_path / f"{model}.keras"))]
        assert main(["fill", *named, "--data", str(faces), "--out", str(tmp_path / "no")]) == 2
        assert "five.keras is not for schema ibug68" in capsys.readouterr().err


def test_filled_point_is_seen_unless_the_head_hides_it(faces: Path, card: ModelCard) -> None:
    sample = read_labels(faces).samples[0]
    points = sample.points.copy()
    points[[3, 40]] = np.nan
    letters = "".join({3: "s", 40: "o", 41: "o"}.get(i, "v") for i in range(68))
    gap = replace(sample, points=points, visible=labelled_points(points), visibility=letters)
    (found,) = fill([gap], [Seer(card, silent)], None, 1.0)
    assert sorted(found.filled) == [3, 40]
    assert found.visible[[3, 40]].all()
    assert [found.visibility[i] for i in (3, 40, 41)] == ["s", "v", "o"]


def test_filled_points_survive_the_file_and_are_trained_but_not_measured(tmp_path: Path, faces: Path) -> None:
    data = read_labels(faces)
    marked = tuple(replace(s, filled={3: 0.25, 40: 0.5}) for s in data.samples)
    import_dataset(replace(data, samples=marked), tmp_path / "out", "")
    copy = read_dataset(tmp_path / "out")
    for sample in copy.samples:
        expected = {3: 0.25, 40: 0.5} if sample.split == "train" else {}
        assert dict(sample.filled) == expected
        assert labelled_points(sample.points[[3, 40]]).all() == (sample.split == "train")
    lines = (tmp_path / "out" / "faces.jsonl").read_text()
    (tmp_path / "out" / "faces.jsonl").write_text(lines.replace('"40":0.5', '"40":1.5', 1))
    with pytest.raises(DataError, match="weight in"):
        read_dataset(tmp_path / "out")


def test_filled_row_counts_as_often_as_its_weight(faces: Path) -> None:
    data = read_dataset(faces)
    rows = rows_for(data.schema, [data])
    sample = replace(data.samples[0], filled={3: 0.25})
    certainty = rows.certainty(sample, data.schema)
    assert rows.certainty(data.samples[0], data.schema) is None
    assert certainty is not None
    assert (certainty == 1).sum() == len(certainty) - 1
    region = Region(np.zeros((2, 2, 3), np.uint8), sample.points, *[CropTransform(0, 0, 1, 0, 1)] * 2)
    rng = np.random.default_rng(0)
    drawn = np.stack([labelled_points(thinned(region, certainty, rng).points) for _ in range(400)])
    assert drawn[:, 3].mean() == pytest.approx(0.25, abs=0.06)  # three standard deviations of 400 draws
    assert drawn[:, [0, 1, 2]].all()


def test_verb_fills_a_set_that_trains_again(
    tmp_path: Path, faces: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    data = read_labels(faces)
    import_dataset(replace(data, samples=tuple(with_gaps(data.samples, 0.6))), tmp_path / "gaps", "free")
    task = landmark_task(config, [read_dataset(tmp_path / "gaps")])
    save_checkpoint(task.network(False), task.card, tmp_path / "model.keras")
    capsys.readouterr()
    arguments = ["fill", "--model", str(tmp_path / "model.keras"), "--max-spread", "0.2"]
    page = tmp_path / "page.html"
    gaps = ["--data", str(tmp_path / "gaps"), "--out", str(tmp_path / "out"), "--page", str(page)]
    assert main([*arguments, *gaps]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 0 < figures["filled"] <= figures["missing"]
    filled = read_dataset(tmp_path / "out")
    assert any(s.filled for s in filled.split("train"))
    assert not any(s.filled for s in filled.split("test"))
    _, targets = landmark_task(config, [filled]).epoch(0)[0]
    assert np.isfinite(targets["landmarks"]).all()
    assert "Least sure" in page.read_text()
    assert main([*arguments, "--data", str(faces), "--out", str(tmp_path / "again")]) == 6  # nothing is missing
