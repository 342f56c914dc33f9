"""The verb ``quantize``: checkpoint and images in, one int8 model file out, if the gate holds."""

from __future__ import annotations

import argparse
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from facewire_edge.card import ModelCard, attach_card
from facewire_edge.files import refuse_unwritable
from facewire_edge.interpreter import Model, load_model
from facewire_train.checkpoint import Checkpoint, load_checkpoint
from facewire_train.datasets import Sample, refuse_repeated

from facewire_convert.calibrate import Calibration, calibrate
from facewire_convert.edgetpu import check
from facewire_convert.flatbuffer import read_graph
from facewire_convert.parity import (
    Verdict,
    compare_landmarks,
    detector_figures,
    gate_samples,
    judge_detector,
    judge_landmarks,
    landmark_figures,
    refuse_shared_images,
    verdict_figures,
)
from facewire_convert.quantize import int8_card, quantize, without_output
from facewire_convert.report import PAGE, Report, landmark_images, write_report
from facewire_convert.resize import resized

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> None:
    """Quantise, measure, report; write the model last, and only if the gate holds.

    Raises:
        UsageError: a set is named twice.
        ModelError: the checkpoint is missing, foreign or cannot be converted.
        DataError: calibration or gate data cannot be used.
        GateError: int8 loses too much.
        OutputError: the report or the model cannot be written.

    """
    refuse_repeated(arguments.gate_data, "--gate-data")
    folder = arguments.report or arguments.out.with_name(f"{arguments.out.stem}-report")
    refuse_unwritable(arguments.out, folder / PAGE)
    checkpoint = load_checkpoint(arguments.checkpoint)
    if arguments.size is not None:
        checkpoint = resized(checkpoint, *arguments.size)
    if not arguments.uncertainty:
        checkpoint = without_output(checkpoint, "uncertainty")
    samples = gate_samples(arguments.gate_data, checkpoint.card)
    calibration = calibrate(arguments.calibration, checkpoint.card)
    refuse_shared_images(calibration, samples)
    log.info("quantising %s with %d images", checkpoint.path, len(calibration.images))
    flatbuffer = quantize(checkpoint, calibration.images)
    card = int8_card(checkpoint, flatbuffer)
    log.info("gate: float against int8 on %d faces", len(samples))
    model = _candidate(flatbuffer, card)
    verdict, figures, images = _measure(arguments, checkpoint, model, flatbuffer, samples)
    write_report(_report(checkpoint, flatbuffer, verdict, figures, calibration, images), folder)
    log.info("report: %s", folder / PAGE)
    for doubt in verdict.doubts:
        log.warning("the gate says little: %s", doubt)
    verdict.require()
    gate = {**verdict_figures(verdict), **figures}
    final = attach_card(flatbuffer, replace(card, metrics={**card.metrics, "int8": gate}), arguments.out)
    log.info(
        "%s: %s, %s float %.3f %%, int8 %.3f %% (%+.2f %%)",
        arguments.out,
        final.title,
        verdict.measure,
        100 * verdict.float_loss,
        100 * verdict.int8_loss,
        100 * verdict.relative_loss,
    )


def _candidate(flatbuffer: bytes, card: ModelCard) -> Model:
    """Load the model as a device would, from a file with its card."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        attach_card(flatbuffer, card, path)
        return load_model(path)


def _measure(
    arguments: argparse.Namespace,
    checkpoint: Checkpoint,
    model: Model,
    flatbuffer: bytes,
    samples: tuple[Sample, ...],
) -> tuple[Verdict, dict[str, Any], dict[str, bytes]]:
    """Give the verdict, more figures, and pictures by their file name."""
    limit, card = arguments.max_relative_loss, checkpoint.card
    if card.kind == "detector":
        verdict = judge_detector(samples, checkpoint, model, limit)
        return verdict, detector_figures(arguments.gate_data, checkpoint, model), {}
    step = read_graph(flatbuffer, card.name).outputs["landmarks"].scales[0]
    parity = compare_landmarks(samples, checkpoint, model, step * card.input.width)
    return judge_landmarks(parity, card, limit), landmark_figures(parity, card), landmark_images(parity, card)


def _report(
    checkpoint: Checkpoint,
    flatbuffer: bytes,
    verdict: Verdict,
    figures: dict[str, Any],
    calibration: Calibration,
    images: dict[str, bytes],
) -> Report:
    mapping = check(flatbuffer, checkpoint.card.name)
    if mapping.findings:
        log.warning("%s", mapping.summary)
    return Report(
        model=checkpoint.card.name,
        verdict=verdict.text,
        gate=verdict_figures(verdict),
        figures=figures,
        calibration=calibration.counts,
        edgetpu=mapping,
        card={"checkpoint": str(checkpoint.path), "float_sha256": checkpoint.sha256()},
        images=images,
    )
