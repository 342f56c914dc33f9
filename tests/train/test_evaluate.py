import hashlib
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facewire_edge.card import ModelCard
from facewire_edge.config import EdgeConfig
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.schema import IBUG68, WFLW98
from facewire_edge.types import Detection
from facewire_train.__main__ import main
from facewire_train.checkpoint import save_checkpoint
from facewire_train.config import TrainConfig
from facewire_train.contest import box_agreement, enter_peer
from facewire_train.datasets import Sample, read_dataset
from facewire_train.evaluate import (
    Prediction,
    errors_of,
    evaluate_landmarks,
    has_points5,
    open_model,
    predict,
    summary,
    true_box,
    truth5_crop,
)
from facewire_train.faces import face_box
from facewire_train.landmark_task import landmark_task
from facewire_train.peers import read_peer
from facewire_train.verdict import verdict

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


def write_peer(path: Path, samples: tuple[Sample, ...], shift_px: float = 1.0, **changes: Any) -> Path:
    answers = {f"img/{s.image.name}": [(s.points + np.float32(shift_px)).astype(float).tolist()] for s in samples}
    path.write_text(json.dumps({"name": "peer", "schema": "ibug68", "faces": answers, **changes}))
    return path


def said(samples: tuple[Sample, ...], shift_px: float) -> Prediction:
    points = np.stack([s.points for s in samples]) + np.float32(shift_px)
    errors = errors_of(points, samples, IBUG68)
    return Prediction(samples, points, errors, errors)


def test_peers_answers_are_matched_by_image_and_face(tmp_path: Path, faces: Path) -> None:
    samples = read_dataset(faces).samples
    peer = read_peer(write_peer(tmp_path / "p.json", samples[1:], bytes=1000, ms=2))
    peer.faces[f"img/{samples[1].image.name}"].insert(0, samples[1].points + np.float32(500))  # another face
    figures = enter_peer(peer, samples, IBUG68).figures()
    assert figures["missed"] == 1
    assert figures["bytes"] == 1000
    distances = [np.linalg.norm(s.points[36] - s.points[45]) for s in samples[1:]]
    expected = 100 * np.mean([np.sqrt(2) / d for d in distances])
    assert figures["nme_percent"]["inter_ocular"]["mean"] == pytest.approx(expected, rel=1e-3)


def test_a_peers_point_that_is_null_does_not_count(tmp_path: Path, faces: Path) -> None:
    samples = read_dataset(faces).samples[:2]
    path = write_peer(tmp_path / "p.json", samples)
    values = json.loads(path.read_text())
    name = f"img/{samples[0].image.name}"
    values["faces"][name][0][5] = None
    values["faces"][name] += [[None] * 68, [None] * 67 + [[1, 2]]]
    path.write_text(json.dumps(values))
    contestant = enter_peer(read_peer(path), samples, IBUG68)
    assert contestant.figures()["missed"] == 0
    expected = [np.sqrt(2) / np.linalg.norm(s.points[36] - s.points[45]) for s in samples]
    assert contestant.prediction.errors == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("start", ["./img/", "img//", "img\\", "SET/img/"])
def test_a_peer_may_write_the_paths_of_images_as_it_likes(tmp_path: Path, faces: Path, start: str) -> None:
    samples = read_dataset(faces).samples[:2]
    path = write_peer(tmp_path / "p.json", samples)
    values = json.loads(path.read_text())
    start = start.replace("SET", str(faces.resolve()))
    values["faces"] = {name.replace("img/", start): said for name, said in values["faces"].items()}
    path.write_text(json.dumps(values))
    assert enter_peer(read_peer(path), samples, IBUG68).figures()["missed"] == 0


def test_peer_of_a_finer_schema_is_mapped(tmp_path: Path, faces: Path) -> None:
    samples = read_dataset(faces).samples[:2]
    path = write_peer(tmp_path / "p.json", samples)
    values = json.loads(path.read_text())
    values["schema"] = "wflw98"
    values["faces"] = {name: [np.random.default_rng(0).uniform(0, 80, (98, 2)).tolist()] for name in values["faces"]}
    path.write_text(json.dumps(values))
    assert read_peer(path).schema is WFLW98
    assert enter_peer(read_peer(path), samples, IBUG68).prediction.points.shape == (2, 68, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "ibug99"}, "unknown schema"),
        ({"faces": {"a": [[[1, 2]]]}}, "1 points, the schema has 68"),
        ({"faces": [1]}, "is no file of predictions"),
        ({"name": None}, "a value is of another kind"),
        ({"ms": float("nan")}, "a value is of another kind"),
        ({"bytes": float("inf")}, "a value is of another kind"),
        ({"bytes": 10**400}, "a value is of another kind"),
        ({"faces": {}}, "names none of the 30 images"),
        ({"schema": "points5", "faces": {"a": [[[1, 2]] * 5]}}, "has schema points5, the faces have ibug68"),
    ],
)
def test_broken_predictions_are_refused_in_one_line(
    tmp_path: Path, faces: Path, changes: dict[str, Any], words: str
) -> None:
    samples = read_dataset(faces).samples
    with pytest.raises(DataError, match=words) as caught:
        enter_peer(read_peer(write_peer(tmp_path / "p.json", samples, **changes)), samples, IBUG68)
    assert "\n" not in str(caught.value)


def test_verdict_parts_faces_and_points(faces: Path) -> None:
    samples = read_dataset(faces).samples
    prediction = said(samples, 2.0)
    prediction.points[:, :17] += 6
    prediction.points[3] = np.nan
    prediction.errors[:] = errors_of(prediction.points, samples, IBUG68)
    figures = verdict(prediction, IBUG68)
    regions = figures["regions_nme_percent"]
    assert regions["jaw"] > 3 * regions["outer_lip"]
    assert figures["landmarks_nme_percent"]["chin"] == pytest.approx(regions["jaw"], rel=0.01)
    assert figures["missed"] == 1
    assert figures["groups"]["subset"]["synthetic"]["faces"] == 30
    assert set(figures["groups"]) <= {"subset", "yaw", "face size"}
    nme = figures["nme_percent"]["inter_ocular"]
    assert nme["low"] < nme["mean"] < nme["high"]
    assert figures["nme_percent"]["inter_pupil"]["mean"] > nme["mean"] > figures["nme_percent"]["box_diagonal"]["mean"]


def test_all_missed_faces_have_no_nme_but_fail(faces: Path) -> None:
    prediction = said(read_dataset(faces).samples, np.nan)
    figures = verdict(prediction, IBUG68)
    assert figures["missed"] == 30
    assert figures["fr8_percent"]["mean"] == 100
    assert figures["auc10"]["mean"] == 0
    assert figures["nme_percent"]["inter_ocular"] == {"mean": None, "low": None, "high": None}
    json.dumps(figures, allow_nan=False)


def test_model_is_measured_on_five_points_where_no_more_are_labelled(tmp_path: Path, five: Path) -> None:
    where = ["evaluate", "--model", EdgeConfig().model, "--data", str(five)]
    assert main([*where, "--json", str(tmp_path / "figures.json"), "--report", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["schema"], figures["boxes"]) == ("points5", "truth5")
    samples = read_dataset(five).split("test")
    card, run = open_model(Path(EdgeConfig().model))
    assert card.schema is not None
    points = predict(samples, [truth5_crop(s, card) for s in samples], card, run).points
    errors = [
        np.linalg.norm(card.schema.points5_of(p) - s.points, axis=1).mean() / np.linalg.norm(s.points[0] - s.points[1])
        for p, s in zip(points, samples, strict=True)
    ]
    assert figures["nme_percent"] == pytest.approx(100 * np.mean(errors), abs=1e-3)
    assert figures["nme_percent"] < 15
    assert main([*where, "--page", str(tmp_path / "page.html")]) == 2


@pytest.mark.parametrize(("faint", "missed"), [(False, 0), (True, 1)])
def test_boxes_are_compared_where_the_detector_is_sure(faces: Path, card: ModelCard, faint: bool, missed: int) -> None:
    sample = read_dataset(faces).samples[0]
    assert sample.points5 is not None
    found = Detection(face_box(sample), 0.5, sample.points5, faint)
    assert box_agreement([sample], card, lambda image: [found])["missed"] == missed


def test_box_of_a_schema_without_five_points_is_that_of_the_model(faces: Path, card: ModelCard) -> None:
    sample = read_dataset(faces).samples[0]
    assert sample.points5 is not None
    found = Detection(face_box(sample), 0.5, sample.points5)
    strip = replace(sample, points5=None, box=Box.around(sample.points[36:48]))
    assert box_agreement([strip], card, lambda image: [found])["median_iou"] > 0.7


def test_faces_of_another_schema_are_left_out_by_name(
    tmp_path: Path, faces: Path, five: Path, caplog: pytest.LogCaptureFixture
) -> None:
    json_file, data = tmp_path / "figures.json", ["--data", str(five), "--data", str(faces)]
    assert main(["evaluate", "--model", EdgeConfig().model, *data, "--json", str(json_file)]) == 0
    figures = json.loads(json_file.read_text())
    assert (figures["schema"], figures["faces"]) == ("ibug68", len(read_dataset(faces).split("test")))
    assert f"{five} is left out: its points are those of points5, not of ibug68" in caplog.text


def test_schema_that_nothing_leads_to_is_refused(five: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (five / "dataset.toml").write_text('format = 1\nname = "other"\nschema = "other.toml"\n')
    (five / "other.toml").write_text(
        'name = "other"\nnames = ["a", "b", "c", "d", "e"]\nmirror = []\neye_corners = [0, 1]\n'
    )
    assert main(["evaluate", "--model", EdgeConfig().model, "--data", str(five)]) == 2
    assert "nothing maps one to the other" in capsys.readouterr().err


def test_models_and_peers_side_by_side_make_one_page_and_one_json(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    data = read_dataset(faces)
    task = landmark_task(config, [data])
    save_checkpoint(task.network(False), task.card, tmp_path / "model.keras")
    peer = write_peer(tmp_path / "peer.json", data.split("test"))
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    models = ["--model", str(tmp_path / "model.keras"), "--model", EdgeConfig().model, "--peer", str(peer)]
    where = ["--data", str(faces), "--page", str(page), "--json", str(figures)]
    assert main(["evaluate", *models, *where]) == 0
    found = json.loads(figures.read_text())
    identity = f"tiny@{hashlib.sha256((tmp_path / 'model.keras').read_bytes()).hexdigest()[:6]}"
    assert found["model"] == identity
    names = [m["model"] for m in found["models"]]
    assert len(names) == 3
    assert names[0].startswith(f"{identity}, float")
    assert names[2] == "peer"
    assert found["models"][0]["ms_per_face"] > 0
    assert "nme_percent" in found["models"][1]["detector_boxes"]
    text = page.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert all(name in text for name in names)
    detector = ["evaluate", "--model", EdgeConfig().detector, "--data", str(faces), "--page", str(page)]
    assert main(detector) == 2


@pytest.fixture
def card(faces: Path, config: TrainConfig) -> ModelCard:
    return landmark_task(config, [read_dataset(faces)]).card


def _silent(images: np.ndarray, presence: float = 1.0) -> dict[str, np.ndarray]:
    return {
        "landmarks": np.zeros((len(images), 136), np.float32),
        "presence": np.full((len(images), 1), presence, np.float32),
    }


def test_evaluation_of_the_bare_mean_shape_equals_a_network_that_says_nothing(faces: Path, card: ModelCard) -> None:
    figures = summary(evaluate_landmarks(read_dataset(faces).samples, card, _silent))
    assert figures["nme_percent"] == pytest.approx(figures["mean_shape_nme_percent"])
    assert figures["faces"] == 30
    assert figures["subsets"]["synthetic"]["faces"] == 30


def test_face_whose_eye_corners_lie_in_one_place_is_not_measured(faces: Path, config: TrainConfig) -> None:
    data = read_dataset(faces)
    broken = replace(data.samples[0], points=data.samples[0].points.copy())
    broken.points[36] = broken.points[45]
    samples = (replace(broken, split="val"), *(replace(s, split="train") for s in data.samples[1:]))
    task = landmark_task(config, [replace(data, samples=samples)])
    figures = summary(evaluate_landmarks(samples, task.card, _silent))
    assert figures["faces"] == 29
    json.dumps(figures, allow_nan=False)
    assert task.validate(None) == {}  # nor is it one to validate on


def test_face_whose_eyes_lie_in_one_place_tells_nothing_of_a_detector(faces: Path) -> None:
    sample = read_dataset(faces).samples[0]
    assert sample.points5 is not None
    assert has_points5(sample)
    assert not has_points5(replace(sample, points5=sample.points5[[0, 0, 2, 3, 4]]))


def test_evaluation_tells_by_how_much_all_labels_are_off(faces: Path, card: ModelCard) -> None:
    prediction = evaluate_landmarks(read_dataset(faces).samples, card, _silent)
    moved = replace(prediction, points=np.stack([np.add(s.points, (-1, 0.5)) for s in prediction.samples]))
    assert summary(moved)["shift_px"] == [-1.0, 0.5]


def test_evaluation_sets_the_uncertainty_beside_the_true_error(faces: Path, card: ModelCard) -> None:
    prediction = evaluate_landmarks(read_dataset(faces).samples, card, _silent)
    assert "uncertainty_percent" not in summary(prediction)
    errors = np.linalg.norm(prediction.points - [s.points for s in prediction.samples], axis=2)
    missed = np.where(np.arange(len(errors)) == 3, np.inf, prediction.errors)
    fifths = summary(replace(prediction, expected=2 * errors, errors=missed))["uncertainty_percent"]
    assert len(fifths) == 5
    assert [f["said"] for f in fifths] == sorted(f["said"] for f in fifths)
    assert [f["said"] for f in fifths] == pytest.approx([2 * f["true"] for f in fifths], abs=0.02)


def test_missed_faces_are_counted_and_fail(faces: Path, card: ModelCard) -> None:
    samples = read_dataset(faces).samples
    prediction = evaluate_landmarks(samples, card, _silent, "detector", lambda image: [])
    prediction = replace(prediction, expected=np.full((30, 68), np.nan, np.float32))
    figures = summary(prediction)
    assert "uncertainty_percent" not in figures
    assert figures["missed"] == 30
    assert figures["fr10_percent"] == 100
    assert figures["auc10"] == 0
    assert figures["nme_percent"] is None
    assert figures["shift_px"] is None


@pytest.mark.parametrize(
    ("faint", "presence", "found"), [(False, 0.6, 30), (False, 0.4, 0), (True, 0.9, 0), (True, 0.999, 30)]
)
def test_detections_count_as_far_as_the_device_believes_them(
    faces: Path, card: ModelCard, faint: bool, presence: float, found: int
) -> None:
    card = replace(card, min_presence=0.5)
    samples = read_dataset(faces).samples
    shown = iter(samples)

    def detector(image: np.ndarray) -> list[Detection]:
        sample = next(shown)
        assert sample.points5 is not None
        return [Detection(face_box(sample), 0.5, sample.points5, faint)]

    prediction = evaluate_landmarks(samples, card, partial(_silent, presence=presence), "detector", detector)
    assert np.isfinite(prediction.errors).sum() == found
    assert np.isfinite(prediction.points).all(axis=(1, 2)).sum() == found


def test_box_of_a_face_whose_eyes_alone_are_labelled_is_the_whole_faces(faces: Path, config: TrainConfig) -> None:
    data = read_dataset(faces)
    card = landmark_task(config, [data]).card
    for sample in data.samples[:5]:
        eyes = np.full_like(sample.points, np.nan)
        eyes[36:48] = sample.points[36:48]
        five = np.full((5, 2), np.nan, np.float32)
        five[:2] = [eyes[36:42].mean(axis=0), eyes[42:48].mean(axis=0)]
        partly = replace(sample, points=eyes, points5=five, box=Box.around(sample.points[36:48]))
        assert true_box(partly, card).iou(true_box(sample, card)) > 0.6
