"""The verb ``select``: a labelled set and a model in, a small representative calibration set out."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from facewire_edge.errors import DataError, UsageError
from facewire_train.checkpoint import Checkpoint, load_checkpoint
from facewire_train.datasets import Dataset, read_dataset, read_labels
from facewire_train.folders import refuse_used
from facewire_train.import_command import import_dataset
from facewire_train.labels import Sample, ignored

from facewire_convert.calibrate import can_be_cropped
from facewire_convert.select import Pool, choose, how_many, lacks, look_at

log = logging.getLogger(__name__)

MOST_FACES = 3000  # that are looked at, evenly spread over the set


def run(arguments: argparse.Namespace) -> None:
    """Choose, write the set, print how many are enough and what the set compared with lacks."""
    refuse_used(arguments.out)
    checkpoint = load_checkpoint(arguments.checkpoint)
    if checkpoint.card.kind != "landmarks":
        raise UsageError(f"{arguments.checkpoint} is a detector; select is for landmark models")
    dataset = read_dataset(arguments.data)  # what it holds back is the parity gate's
    pool = _look(dataset, checkpoint)
    against = None if arguments.against is None else _look(read_labels(arguments.against), checkpoint)
    chosen = choose(pool, arguments.count)
    kept = with_neighbours([pool.samples[i] for i in chosen], dataset.samples)
    import_dataset(replace(dataset, samples=kept, backgrounds=()), arguments.out, dataset.terms)
    figures = {"faces": len(pool.samples), "chosen": len(chosen), **how_many(pool, chosen)}
    if against is not None:
        figures["against"] = lacks(pool, against)
    print(json.dumps(figures, indent=1))
    log.info("chose %d of %d faces into %s", len(chosen), len(pool.samples), arguments.out)


def with_neighbours(chosen: Sequence[Sample], samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Give all faces of the images of the chosen ones; the others as ``ignore``: they are no background."""
    images, wanted = {s.image for s in chosen}, {id(s) for s in chosen}
    return tuple(s if id(s) in wanted else ignored(s, s) for s in samples if s.image in images)


def _look(dataset: Dataset, checkpoint: Checkpoint) -> Pool:
    schema = checkpoint.card.schema
    if schema is None or schema.names != dataset.schema.names:
        wanted = schema.name if schema else "none"
        raise DataError(
            f"{dataset.path} has schema {dataset.schema.name}, the checkpoint {wanted}; take a set of that schema"
        )
    usable = [s for s in dataset.samples if s.split == "train" and not s.ignore and can_be_cropped(s, checkpoint.card)]
    if not usable:
        raise DataError(f"{dataset.path} has no training face that can be cropped; label at least two points of each")
    return look_at(usable[:: -(-len(usable) // MOST_FACES)], checkpoint)
