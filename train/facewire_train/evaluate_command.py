"""The verb ``evaluate``: a model and labelled faces in, figures out."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.config import EdgeConfig
from facewire_edge.detect import FaceDetector
from facewire_edge.detectors import open_detector
from facewire_edge.draw import draw_face
from facewire_edge.errors import UsageError
from facewire_edge.files import refuse_unwritable, write_text
from facewire_edge.schema import LandmarkSchema
from facewire_edge.types import Face
from matplotlib.figure import Figure

from facewire_train.contest import Contestant, box_agreement, enter_model, enter_peer, with_names_apart
from facewire_train.curves import save_figure
from facewire_train.datasets import Dataset, Sample, read_dataset, refuse_repeated
from facewire_train.detection import detect_scenes, detection_figures
from facewire_train.detection_report import write_detection_report
from facewire_train.evaluate import (
    BatchRunner,
    Prediction,
    evaluate_detector,
    has_points5,
    open_model,
    summary,
)
from facewire_train.evaluation_page import evaluation_page
from facewire_train.images import read_labelled
from facewire_train.peers import read_peer

log = logging.getLogger(__name__)

TASKS = {"landmarks": "landmarks", "detector": "detection"}
CURVE = "ced.png"  # of a report
WORST = 25  # faces that the report draws


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write what was asked for."""
    refuse_repeated(arguments.data)
    report = None if arguments.report is None else arguments.report / CURVE
    refuse_unwritable(arguments.json, arguments.page, report)
    card, runner = open_model(arguments.model[0])
    datasets = [read_dataset(path) for path in arguments.data]
    if arguments.task not in (None, TASKS[card.kind]):
        raise UsageError(f"--task {arguments.task}, but {arguments.model[0]} is a model for {TASKS[card.kind]}")
    if card.kind == "detector":
        if len(arguments.model) > 1 or arguments.peer or arguments.page:
            raise UsageError("side by side and --page are for landmark models; evaluate a detector by itself")
        figures = _detector(arguments, card, runner, datasets)
    else:
        schema = _measured(arguments, card, datasets)
        figures = _landmarks(arguments, card, runner, _faces(arguments, _labelled_in(schema, datasets)), schema)
    print(json.dumps(figures, indent=1))
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(figures, indent=1))


def _faces(arguments: argparse.Namespace, datasets: Sequence[Dataset]) -> list[Sample]:
    samples = [s for dataset in datasets for s in dataset.split(arguments.split)]
    if not samples:
        raise UsageError(f"no face in split {arguments.split!r}; choose another --split")
    return samples


def _labelled_in(schema: LandmarkSchema, datasets: Sequence[Dataset]) -> list[Dataset]:
    """Give the sets that have the points to measure; name the others."""
    for other in (d for d in datasets if d.schema.names != schema.names):
        log.warning("%s is left out: its points are those of %s, not of %s", other.path, other.schema.name, schema.name)
    return [d for d in datasets if d.schema.names == schema.names]


def _detector(
    arguments: argparse.Namespace, card: ModelCard, runner: BatchRunner, datasets: Sequence[Dataset]
) -> dict[str, Any]:
    """Measure one wanted face at a time, and, where every face is listed, average precision and false alarms."""
    empty = [background for dataset in datasets for background in dataset.empty(arguments.split)]
    samples = (
        [s for dataset in datasets for s in dataset.split(arguments.split)] if empty else _faces(arguments, datasets)
    )
    figures: dict[str, Any] = {"model": card.title, "split": arguments.split}
    if any(map(has_points5, samples)):
        figures |= evaluate_detector(samples, card, runner)
    scenes = detect_scenes(samples, card, runner, empty)
    if scenes:
        figures["complete"] = detection_figures(scenes, card)
        if arguments.report is not None:
            write_detection_report(scenes, card, arguments.report)
    return figures


def _measured(arguments: argparse.Namespace, card: ModelCard, datasets: Sequence[Dataset]) -> LandmarkSchema:
    """Give the schema to measure in: the model's, or that of the data where none has the model's.

    The box of other points is not the one that the model knows: their truth is the canonical crop, ``truth5``.
    """
    assert card.schema is not None
    if any(dataset.schema.names == card.schema.names for dataset in datasets):
        return card.schema
    if arguments.page is not None:
        raise UsageError(f"--page needs labels of the model's schema {card.schema.name}")
    if arguments.boxes == "truth":
        arguments.boxes = "truth5"
        log.info("no labels of the model's schema %s: boxes truth5", card.schema.name)
    return datasets[0].schema


def _landmarks(
    arguments: argparse.Namespace,
    card: ModelCard,
    runner: BatchRunner,
    samples: Sequence[Sample],
    schema: LandmarkSchema,
) -> dict[str, Any]:
    detector = None
    if arguments.boxes == "detector" or arguments.page is not None:
        detector = open_detector(arguments.detector or Path(EdgeConfig().detector), faint=True)
    thorough = arguments.page is not None
    first = enter_model(arguments.model[0], card, runner, samples, arguments.boxes, detector, thorough, schema)
    prediction = first.prediction
    for sample, error in zip(prediction.samples, prediction.errors, strict=True):
        if not np.isfinite(error):
            log.info("missed: %s", sample.image)
    if arguments.report is not None:
        write_report(prediction, schema, arguments.report)
    figures = {"model": card.title, "boxes": arguments.boxes, "split": arguments.split}
    figures |= {"schema": schema.name, **summary(prediction)}
    if len(arguments.model) == 1 and not arguments.peer and not thorough:
        return figures
    others = [_enter(path, arguments, samples, detector, schema) for path in arguments.model[1:]]
    peers = [enter_peer(read_peer(path), samples, schema) for path in arguments.peer]
    contestants = with_names_apart([first, *others, *peers])
    figures["models"] = [contestant.figures() for contestant in contestants]
    if arguments.page is not None:
        assert detector is not None
        agreement = box_agreement(prediction.samples, card, detector)
        about = f"{len(prediction.samples)} faces, split {arguments.split}, boxes {arguments.boxes}"
        write_text(arguments.page, evaluation_page(contestants, figures["models"], about, agreement))
        log.info("page: %s", arguments.page)
    return figures


def _enter(
    path: Path,
    arguments: argparse.Namespace,
    samples: Sequence[Sample],
    detector: FaceDetector | None,
    schema: LandmarkSchema,
) -> Contestant:
    card, runner = open_model(path)
    if card.kind == "detector":
        raise UsageError(f"{path} is a detector; side by side is for landmark models")
    return enter_model(path, card, runner, samples, arguments.boxes, detector, arguments.page is not None, schema)


def write_report(prediction: Prediction, schema: LandmarkSchema, folder: Path) -> None:
    """Write the error curve and the worst faces as PNGs."""
    save_figure(_curve(prediction), folder / CURVE, dpi=110)
    save_figure(_worst(prediction, schema), folder / "worst.png", dpi=110)
    log.info("report: %s", folder)


def _curve(prediction: Prediction) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, errors in (("model", prediction.errors), ("bare mean shape", prediction.mean_errors)):
        axes.plot(100 * np.sort(errors), np.arange(1, len(errors) + 1) / len(errors), label=name)
    axes.set(xlim=(0, 10), ylim=(0, 1), xlabel="NME, % of the eye-corner distance", ylabel="share of faces")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _worst(prediction: Prediction, schema: LandmarkSchema) -> Figure:
    side = int(np.ceil(np.sqrt(min(WORST, len(prediction.samples)))))
    figure = Figure(figsize=(2.4 * side, 2.6 * side), layout="constrained")
    order = np.argsort(-np.where(np.isfinite(prediction.errors), prediction.errors, -1))
    for axes, i in zip(figure.subplots(side, side, squeeze=False).ravel(), order, strict=False):
        _draw_sample(axes, prediction, int(i), schema)
    return figure


def _draw_sample(axes: Any, prediction: Prediction, i: int, schema: LandmarkSchema) -> None:
    sample = prediction.samples[i]
    image = read_labelled(sample)
    if np.isfinite(prediction.points[i]).all():
        draw_face(image, Face(0, "new", 1.0, 1.0, prediction.points[i]), schema)
    axes.imshow(image)
    low, high = np.nanmin(sample.points, axis=0), np.nanmax(sample.points, axis=0)
    reach = 0.25 * (high - low)
    axes.set(xlim=(low[0] - reach[0], high[0] + reach[0]), ylim=(high[1] + reach[1], low[1] - reach[1]))
    axes.set_title(f"{100 * prediction.errors[i]:.1f} %", fontsize=9)
    axes.axis("off")
