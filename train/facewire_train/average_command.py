"""The verb ``average``: several checkpoints of one network in, one with the mean of their weights out.

Source: Wortsman et al. 2022, "Model soups", ICML: runs from the same weights lie in one valley, whose middle errs less.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

import numpy as np
from facewire_edge.errors import UsageError
from facewire_edge.files import refuse_unwritable
from numpy.typing import NDArray

from facewire_train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from facewire_train.terms import inheriting

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> None:
    """Write the mean with the first model's card.

    Raises:
        UsageError: there is one model alone, or they are not of one network.
        ModelError: a file is missing or no checkpoint.
        OutputError: ``--out`` could not be written.

    """
    if len(arguments.model) < 2:
        raise UsageError("one --model has no mean; name two or more")
    if arguments.out.suffix != ".keras":
        raise UsageError(f"--out must end in .keras, got {arguments.out}")
    refuse_unwritable(arguments.out)
    first, *others = (load_checkpoint(path) for path in arguments.model)
    for other in others:
        _refuse_foreign(first, other)
    columns = zip(*(_weights(checkpoint, first) for checkpoint in (first, *others)), strict=True)
    first.model.set_weights([np.mean(column, axis=0) for column in columns])
    save_checkpoint(first.model, inheriting(first.card, [c.card for c in others]), arguments.out)
    log.info("the mean of %d models: %s", len(arguments.model), arguments.out)


def _refuse_foreign(first: Checkpoint, other: Checkpoint) -> None:
    shapes = [[w.shape for w in c.model.get_weights()] for c in (first, other)]
    said = [(c.card.kind, c.card.input, c.card.schema and c.card.schema.names) for c in (first, other)]
    if shapes[0] != shapes[1] or said[0] != said[1]:
        raise UsageError(
            f"{other.path} is another network than {first.path}; only runs of one configuration have a mean"
        )


def _weights(checkpoint: Checkpoint, first: Checkpoint) -> Sequence[NDArray[np.float32]]:
    """Give the weights, as if the landmarks were told from the first model's mean shape."""
    weights: list[NDArray[np.float32]] = checkpoint.model.get_weights()
    mean, reference = checkpoint.card.mean_shape, first.card.mean_shape
    if mean is not None and reference is not None:
        bias = checkpoint.model.get_layer("landmarks").bias
        place = next(i for i, variable in enumerate(checkpoint.model.weights) if variable is bias)
        weights[place] = weights[place] + (mean - reference).ravel()
    return weights
