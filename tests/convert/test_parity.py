"""What the gate lets through, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facewire_convert.calibrate import calibrate
from facewire_convert.parity import (
    Verdict,
    compare_landmarks,
    gate_samples,
    judge_landmarks,
    landmark_figures,
    refuse_shared_images,
    verdict_figures,
)
from facewire_convert.quantize import hold_range
from facewire_edge.card import attach_card
from facewire_edge.errors import DataError, GateError
from facewire_edge.interpreter import load_model
from facewire_train.datasets import read_dataset
from facewire_train.evaluate import edge_runner, predict, truth5_crop


def verdict(float_loss: float, int8_loss: float, allowed: float = 0.02) -> Verdict:
    return Verdict("NME", 50, float_loss, int8_loss, allowed)


@pytest.fixture(scope="module")
def parity(conversion: Any) -> Any:
    samples = gate_samples([conversion.gate_folder], conversion.card)
    return compare_landmarks(samples, conversion.checkpoint, load_model(conversion.model_path), 0.13)


@pytest.mark.parametrize(("int8_loss", "holds"), [(0.0500, True), (0.0510, True), (0.0511, False), (0.0400, True)])
def test_gate_allows_up_to_the_relative_loss(int8_loss: float, holds: bool) -> None:
    assert verdict(0.05, int8_loss).holds == holds


def test_gate_does_not_hold_for_what_is_not_a_number() -> None:
    assert not verdict(0.05, float("nan")).holds
    assert not verdict(float("nan"), 0.05).holds


def test_perfect_float_allows_no_int8_error() -> None:
    assert verdict(0.0, 0.0).holds
    assert not verdict(0.0, 0.001).holds


def test_refusal_names_both_figures_and_what_to_do() -> None:
    with pytest.raises(GateError, match=r"6\.000 %.*5\.000 %.*20\.00 %.*calibrate") as caught:
        verdict(0.05, 0.06).require()
    assert caught.value.exit_code == 5


def test_verdict_on_few_faces_says_that_they_are_too_few() -> None:
    few = replace(verdict(0.05, 0.05), faces=3)
    assert few.holds
    assert few.text.startswith("The parity gate holds. This says little: 3 faces are too few")
    assert verdict_figures(few)["doubts"] == list(few.doubts)
    assert verdict(0.05, 0.05).text == "The parity gate holds."


def test_verdict_names_a_model_that_is_worse_than_its_bare_mean_shape() -> None:
    worse = replace(verdict(0.08, 0.08), bare_loss=0.07)
    assert worse.holds
    assert "no better than its bare mean shape (8.000 % against 7.000 %)" in worse.text
    assert not replace(worse, bare_loss=0.09).doubts


def test_int8_is_close_to_float(parity: Any) -> None:
    assert parity.difference_px.mean() < 0.5  # crop pixels of 48; measured 0.2


def test_int8_side_is_what_the_device_computes(conversion: Any, parity: Any) -> None:
    model = load_model(conversion.model_path)
    crops = [truth5_crop(s, model.card) for s in parity.samples]
    expected = predict(parity.samples, crops, model.card, edge_runner(model)).points
    np.testing.assert_array_equal(parity.int8.points, expected)


def test_range_that_clips_fails_the_gate(conversion: Any, tmp_path: Path) -> None:
    path = tmp_path / "clipped.tflite"
    attach_card(hold_range(conversion.flatbuffer, "landmarks", 0.005), conversion.card, path)
    samples = gate_samples([conversion.gate_folder], conversion.card)
    clipped = compare_landmarks(samples, conversion.checkpoint, load_model(path), 0.1)
    with pytest.raises(GateError):
        judge_landmarks(clipped, conversion.checkpoint.card, 0.02).require()


def test_false_mean_shape_in_the_int8_card_fails_the_gate(conversion: Any, tmp_path: Path) -> None:
    card = replace(conversion.card, mean_shape=conversion.card.mean_shape + np.float32(0.02))
    attach_card(conversion.flatbuffer, card, tmp_path / "false.tflite")
    samples = gate_samples([conversion.gate_folder], conversion.card)
    false = compare_landmarks(samples, conversion.checkpoint, load_model(tmp_path / "false.tflite"), 0.1)
    with pytest.raises(GateError):
        judge_landmarks(false, conversion.checkpoint.card, 0.02).require()


def test_false_mean_shape_on_both_sides_fails_the_gate(conversion: Any, tmp_path: Path) -> None:
    mean = conversion.card.mean_shape + np.float32([0.2, 0])
    attach_card(conversion.flatbuffer, replace(conversion.card, mean_shape=mean), tmp_path / "false.tflite")
    checkpoint = replace(conversion.checkpoint, card=replace(conversion.checkpoint.card, mean_shape=mean))
    samples = gate_samples([conversion.gate_folder], conversion.card)
    false = compare_landmarks(samples, checkpoint, load_model(tmp_path / "false.tflite"), 0.1)
    with pytest.raises(GateError, match="mean shape"):
        judge_landmarks(false, checkpoint.card, 0.02).require()


def test_figures_name_pixels_and_the_mean_shape(conversion: Any, parity: Any) -> None:
    figures = landmark_figures(parity, conversion.card)
    assert figures["px_per_lsb"] == 0.13
    assert 0 < figures["difference_px_mean"] < figures["difference_px_p95"]
    assert figures["mean_shape_nme_percent"] > 100 * parity.float_.errors.mean()


def test_same_image_in_both_sets_is_refused_under_any_name(conversion: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    shutil.copytree(conversion.gate_folder, gate)
    shutil.copy(next(iter(conversion.calibration.sources.values())), gate / "img" / "0007.png")
    with pytest.raises(DataError, match=r"0007\.png") as caught:
        refuse_shared_images(conversion.calibration, gate_samples([gate], conversion.card))
    assert caught.value.exit_code == 6


def test_training_and_test_split_of_one_set_share_no_image(conversion: Any, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    shutil.copytree(conversion.gate_folder, folder)
    lines = (folder / "faces.jsonl").read_text().splitlines()
    half = [line.replace('"test"', '"train"') for line in lines[:25]]
    (folder / "faces.jsonl").write_text("\n".join([*half, *lines[25:]]))
    samples = gate_samples([folder], conversion.card)
    assert len(samples) == 25
    refuse_shared_images(calibrate(folder, conversion.checkpoint.card), samples)


def test_gate_takes_validation_where_there_is_no_test(conversion: Any) -> None:
    samples = gate_samples([conversion.calibration_folder], conversion.card)
    assert {s.split for s in samples} == {"val"}
    assert len(samples) < len(read_dataset(conversion.calibration_folder).samples)


def test_gate_data_of_another_schema_is_refused(conversion: Any, tmp_path: Path) -> None:
    shutil.copytree(conversion.gate_folder, tmp_path / "gate")
    header = tmp_path / "gate" / "dataset.toml"
    header.write_text(header.read_text().replace("points5", "ibug68"))
    (tmp_path / "gate" / "faces.jsonl").write_text(
        '{"image": "img/0000.png", "split": "test", "faces": [{"box": [1, 1, 9, 9]}]}\n'
    )
    with pytest.raises(DataError, match="ibug68"):
        gate_samples([tmp_path / "gate"], conversion.card)


def test_face_whose_eyes_lie_in_one_place_is_not_measured(conversion: Any, tmp_path: Path) -> None:
    shutil.copytree(conversion.gate_folder, tmp_path / "gate")
    labels = tmp_path / "gate" / "faces.jsonl"
    first, *others = labels.read_text().splitlines()
    broken = json.loads(first)
    points = broken["faces"][0]["points"]
    points[1] = points[0]
    labels.write_text("\n".join([json.dumps(broken), *others]))
    samples = gate_samples([tmp_path / "gate"], conversion.card)
    assert len(samples) == len(others)
    parity = compare_landmarks(samples, conversion.checkpoint, load_model(conversion.model_path), 0.13)
    assert np.isfinite(judge_landmarks(parity, conversion.checkpoint.card, 1.0).float_loss)


def test_gate_data_without_labelled_eyes_is_refused(conversion: Any, tmp_path: Path) -> None:
    shutil.copytree(conversion.gate_folder, tmp_path / "gate")
    (tmp_path / "gate" / "faces.jsonl").write_text(
        '{"image": "img/0000.png", "split": "test", "faces": [{"box": [1, 1, 9, 9]}]}\n'
    )
    with pytest.raises(DataError, match="no face to measure"):
        gate_samples([tmp_path / "gate"], conversion.card)
