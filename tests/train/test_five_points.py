import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.errors import DataError
from facewire_edge.facebox import box_of_points5
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.schema import IBUG68, LandmarkSchema
from facewire_edge.types import Detection, Image
from facewire_train.config import TrainConfig
from facewire_train.datasets import Sample, read_dataset
from facewire_train.evaluate import evaluate_landmarks, keras_runner, summary
from facewire_train.five_points import mean_points5
from facewire_train.landmark_task import MARGIN, landmark_task
from facewire_train.samples import crop_of_box
from facewire_train.shapes import mean_shape

KEPT = (8, 17, 21, 22, 26, 36, 39, 42, 45, 30, 33, 48, 54, 51, 57)  # a 15-point schema of one's own


def own_schema(points5: bool = False) -> LandmarkSchema:
    place = {index: k for k, index in enumerate(KEPT)}
    mirror = np.array([place[int(IBUG68.mirror[index])] for index in KEPT])
    five = ((5, 6), (7, 8), (9,), (11,), (12,)) if points5 else None
    return LandmarkSchema("mine", tuple(IBUG68.names[i] for i in KEPT), mirror, (5, 8), (), five)


def own_samples(faces: Path) -> list[Sample]:
    samples = read_dataset(faces).samples
    return [replace(s, points=s.points[list(KEPT)], visible=s.visible[list(KEPT)], points5=None) for s in samples]


def test_five_points_that_a_detector_finds_land_where_the_schema_would_put_them(faces: Path) -> None:
    samples = own_samples(faces)
    mean = mean_shape([s.points for s in samples], own_schema(), MARGIN)
    true5 = [s.points5 for s in read_dataset(faces).samples]
    answers = iter(true5)

    def find(image: Image) -> list[Detection]:
        five = next(answers)
        assert five is not None
        height, width = image.shape[:2]
        return [Detection(Box(0, 0, width, height), 1.0, five)]

    found = mean_points5(samples, own_schema(), mean, lambda: find)
    beside = [replace(s, points5=five) for s, five in zip(samples, true5, strict=True)]
    assert np.abs(found - mean_points5(beside, own_schema(), mean)).max() < 1e-6
    # The full face's own five points, in its own mean shape brought onto this one; 0.03 of the crop is 1 px of 32.
    whole = mean_shape([s.points for s in read_dataset(faces).samples], IBUG68, MARGIN)
    crop = CropTransform.from_landmarks(mean, whole[list(KEPT)], 1)
    assert np.abs(found - crop.from_units(IBUG68.points5_of(whole))).max() < 0.03


def test_schema_that_the_detector_cannot_place_is_refused(faces: Path) -> None:
    samples = own_samples(faces)
    mean = mean_shape([s.points for s in samples], own_schema(), MARGIN)
    with pytest.raises(DataError, match="add `points5 = "):
        mean_points5(samples, own_schema(), mean, lambda: lambda image: [])


def test_schema_without_points5_trains_and_evaluates_in_the_devices_crop(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    schema = own_schema()
    lines = []
    for sample in own_samples(faces):
        target = folder / sample.image.name
        target.write_bytes(sample.image.read_bytes())
        face = {"points": sample.points.astype(float).tolist()}
        lines.append(json.dumps({"image": target.name, "split": "train", "faces": [face]}))
    (folder / "faces.jsonl").write_text("\n".join(lines))
    (folder / "dataset.toml").write_text('format = 1\nname = "mine"\nschema = "mine.toml"\n')
    values = schema.to_dict()
    (folder / "mine.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items() if v is not None))
    data = read_dataset(folder)
    task = landmark_task(replace(config, schema="mine"), [data])
    assert task.card.mean_points5 is not None
    assert task.card.mean_points5.shape == (5, 2)

    def all_over(image: Image) -> list[Detection]:
        height, width = image.shape[:2]
        crop = CropTransform(width / 2, height / 2, width * 0.8, 0.0, 1)
        assert task.card.mean_points5 is not None
        points5 = crop.from_units(task.card.mean_points5)
        return [Detection(box_of_points5(points5), 1.0, points5)]

    runner, card = keras_runner(task.network(False)), replace(task.card, min_presence=0.0)
    figures = summary(evaluate_landmarks(data.samples, card, runner, "detector", all_over))
    assert figures["faces"] == 30
    assert figures["missed"] < 5  # the made-up detector always says the middle


def test_point_that_no_face_has_is_refused_by_name(faces: Path) -> None:
    shapes = [s.points.copy() for s in read_dataset(faces).samples]
    for shape in shapes:
        shape[8] = np.nan
    with pytest.raises(DataError, match="'chin' is labelled in no"):
        mean_shape(shapes, IBUG68, MARGIN)


def test_box_crop_of_a_face_with_few_labels_is_that_of_the_whole_face(faces: Path) -> None:
    samples = read_dataset(faces).samples
    mean = mean_shape([s.points for s in samples], IBUG68, MARGIN)
    away = []
    for sample in samples:
        few = np.full_like(sample.points, np.nan)
        few[[36, 45, 30, 48, 54]] = sample.points[[36, 45, 30, 48, 54]]
        whole, guessed = (crop_of_box(p, mean, 32, MARGIN) for p in (sample.points, few))
        away.append((abs(guessed.side_px - whole.side_px), np.hypot(guessed.x - whole.x, guessed.y - whole.y)))
        away[-1] = tuple(value / whole.side_px for value in away[-1])
    assert np.median(away, axis=0).max() < 0.1  # heads turn, the mean shape does not
    assert np.quantile(away, 0.95) < 0.25  # five points of a full profile make a crop a third smaller
    assert np.max(away) < 0.4
