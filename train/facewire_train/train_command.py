"""The verb ``fit``: data and configuration in, a run folder out."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
from facewire_edge.errors import ModelError
from facewire_edge.files import write_text

from facewire_train.checkpoint import load_checkpoint
from facewire_train.config import TrainConfig, load_config
from facewire_train.datasets import Dataset, read_dataset, read_labels, refuse_repeated
from facewire_train.detector_task import detector_task
from facewire_train.fit import MODEL, RECORD, Task, base_record, fingerprint, fit, read_record, run_folder
from facewire_train.fold import folded, unfolded
from facewire_train.folds import spread, with_fold
from facewire_train.landmark_task import landmark_task
from facewire_train.shipped import initial_checkpoint
from facewire_train.terms import inheriting

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> None:
    """Train once, or once for each fold."""
    config = load_config(arguments.config)
    refuse_repeated(arguments.data)
    init = None if arguments.init is None else initial_checkpoint(arguments.init, config.kind)
    read = read_dataset if arguments.folds is None else read_labels  # each fold holds back others
    datasets = [read(path) for path in arguments.data or [synthetic_data(config)]]
    if arguments.folds is None:
        train(config, datasets, init, arguments.out)
    else:
        cross_validate(config, datasets, init, arguments.out, arguments.folds)


def cross_validate(
    config: TrainConfig, datasets: Sequence[Dataset], init: Path | None, out: Path | None, folds: int
) -> None:
    """Train once for each fold of the people; print mean and spread of the validation figures as JSON."""
    digest = fingerprint(config, datasets, init)
    root = out or Path("runs") / f"{config.name}-{digest[:8]}-{folds}-folds"
    parts = [[with_fold(d, fold, folds) for d in datasets] for fold in range(folds)]  # all, before one is trained
    records = []
    for fold, part in enumerate(parts):
        folder = train(config, part, init, root / f"fold-{fold}")
        records.append(read_record(folder))
        keras.utils.clear_session()
    table = spread(records)
    write_text(root / "folds.json", json.dumps(table, indent=1))
    print(json.dumps(table, indent=1))


def train(config: TrainConfig, datasets: Sequence[Dataset], init: Path | None, out: Path | None) -> Path:
    """Train, unless the same configuration and data are already finished; give the run's folder."""
    digest = fingerprint(config, datasets, init)
    folder = run_folder(config, digest, out)
    record = read_record(folder)
    if record.get("finished") and (folder / MODEL).is_file():
        (folder / RECORD).touch()  # the newest run is the one that was asked for last
        log.info("%s is finished with the same configuration and data; nothing to do", folder)
        return folder
    _tell_of_other_sets(config, datasets)
    task = TASKS[config.kind](config, datasets)
    if init is not None:
        task = initialised(task, init)
    fit(task, config, folder, base_record(config, datasets, digest, init))
    log.info("finished: %s", folder)
    return folder


def _tell_of_other_sets(config: TrainConfig, datasets: Sequence[Dataset]) -> None:
    """Say which settings are for sets that are not there: a shipped configuration's, or a name that is misspelt."""
    known = {dataset.name for dataset in datasets}
    for key, values in (("shares", config.data.shares), ("offsets", config.data.offsets)):
        if others := ", ".join(sorted(set(values) - known)):
            log.info("[data.%s] also names %s; the sets here are called %s", key, others, ", ".join(sorted(known)))


TASKS = {"landmarks": landmark_task, "detector": detector_task}


def synthetic_data(config: TrainConfig) -> Path:
    """Give the folder of the built-in synthetic faces, rendered on first use."""
    from facewire_train.render import RENDERER, write_dataset

    data = config.data
    drawn = f"{data.synthetic_count}-{data.synthetic_px}px-seed{data.synthetic_seed}"
    folder = Path("runs") / f"synthetic-{drawn}-v{version('facewire')}-renderer{RENDERER}"
    if not folder.is_dir():
        log.info("rendering %d synthetic faces into %s", data.synthetic_count, folder)
        write_dataset(folder, data.synthetic_count, data.synthetic_seed, data.synthetic_px)
    return folder


def initialised(task: Task, path: Path) -> Task:
    """Give the task with networks that start from another model's weights, layer by layer, where name and shapes agree.

    The card inherits that model's data and terms.

    Raises:
        ModelError: no layer agrees.

    """
    parent = load_checkpoint(path)
    source = {layer.name: layer.get_weights() for layer in parent.model.layers}

    def network(normed: bool) -> Any:
        model = folded(task.network(True), task.network(False))  # a new last layer starts at zero
        taken = [layer for layer in model.layers if _agrees(layer, source.get(layer.name))]
        if not taken:
            raise ModelError(f"{path}: no layer agrees with the configured network; choose the same [model]")
        for layer in taken:
            layer.set_weights(source[layer.name])
        log.info("took %d layers from %s", len(taken), path)
        return unfolded(model, task.network(True), task.epoch(0)[0][0]) if normed else model

    return replace(task, network=network, card=inheriting(task.card, [parent.card]))


def _agrees(layer: Any, weights: Sequence[Any] | None) -> bool:
    own = layer.get_weights()
    return bool(own) and weights is not None and [w.shape for w in own] == [w.shape for w in weights]
