"""The verb ``fill``: models and an incomplete set in, the set with its gaps filled where they are sure out."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.errors import DataError, UsageError
from facewire_edge.files import refuse_unwritable, write_text
from facewire_edge.schema import POINTS5, LandmarkSchema

from facewire_train.charts import bars
from facewire_train.datasets import Dataset, read_labels
from facewire_train.evaluate import open_model
from facewire_train.fill import Seer, fill, lifted
from facewire_train.five_points import shipped_detector
from facewire_train.folders import refuse_used
from facewire_train.import_command import import_dataset
from facewire_train.labels import Sample, labelled_points
from facewire_train.page import charts, faces, note, page, section
from facewire_train.portraits import portrait
from facewire_train.terms import joined_terms

log = logging.getLogger(__name__)

TILES = 40


def run(arguments: argparse.Namespace) -> None:
    """Fill the training split, write the new set, print what was filled, write the page if asked for."""
    refuse_used(arguments.out)
    refuse_unwritable(arguments.page)
    seers = [Seer(*open_model(model)) for model in arguments.model]
    dataset = read_labels(arguments.data)
    for seer, model in zip(seers, arguments.model, strict=True):
        dataset = in_schema_of(seer.card, dataset, model)
    chosen = [i for i, s in enumerate(dataset.samples) if s.split == "train" and not s.ignore and not _complete(s)]
    if not chosen:
        raise DataError(f"{arguments.data}: every point of the training split is labelled; nothing to fill")
    log.info("filling %d of %d faces", len(chosen), len(dataset.samples))
    found = fill([dataset.samples[i] for i in chosen], seers, shipped_detector(), arguments.max_spread)
    samples = list(dataset.samples)
    for i, sample in zip(chosen, found, strict=True):
        samples[i] = sample
    terms = joined_terms([dataset.terms, *(seer.card.terms for seer in seers)])
    import_dataset(replace(dataset, samples=tuple(samples)), arguments.out, terms)
    print(json.dumps(figures_of([dataset.samples[i] for i in chosen], found, dataset.schema), indent=1))
    if arguments.page is not None:
        write_text(arguments.page, review_page(found, dataset.schema, dataset.name))
        log.info("page: %s", arguments.page)


def in_schema_of(card: ModelCard, dataset: Dataset, model: Path) -> Dataset:
    """Give the set in the model's schema; faces of five points become faces of which no point is labelled yet.

    Raises:
        UsageError: the schemas differ and the set's is not the five points that the model's leads to.

    """
    schema = card.schema
    if schema is not None and schema.names == dataset.schema.names:
        return dataset
    if schema is None or schema.points5 is None or dataset.schema.names != POINTS5.names:
        raise UsageError(f"{model} is not for schema {dataset.schema.name}; train one on this set first")
    return replace(dataset, schema=schema, samples=tuple(lifted(s, schema) for s in dataset.samples))


def figures_of(before: Sequence[Sample], after: Sequence[Sample], schema: LandmarkSchema) -> dict[str, Any]:
    """Give how many points were missing and filled, in all and of each landmark, and what they weigh."""
    missing = ~np.stack([labelled_points(s.points) for s in before])
    still = ~np.stack([labelled_points(s.points) for s in after])
    weights = [w for s in after for w in s.filled.values()]
    return {
        "faces": len(after),
        "missing": int(missing.sum()),
        "filled": int(missing.sum() - still.sum()),
        "mean_weight": round(float(np.mean(weights)), 4) if weights else None,
        "filled_percent": {
            name: round(100 * float(1 - still[:, i].sum() / missing[:, i].sum()), 2)
            for i, name in enumerate(schema.names)
            if missing[:, i].any()
        },
    }


def review_page(samples: Sequence[Sample], schema: LandmarkSchema, name: str) -> str:
    """Give the page on which filled points can be looked at: least sure first, then faces at random."""
    filled = [s for s in samples if s.filled]
    surest = sorted(filled, key=lambda s: float(np.mean(list(s.filled.values()))))
    drawn = np.random.default_rng(0).permutation(len(filled))[:TILES]
    counts = {n: float(sum(i in s.filled for s in filled)) for i, n in enumerate(schema.names)}
    return page(
        f"Filled: {name}",
        f"{len(filled)} of {len(samples)} incomplete faces have filled points: yellow; labels are green.",
        [
            section("Filled points", charts([bars(counts, "Filled", "faces")])),
            section("Least sure", note("By their mean weight in training."), faces(_tiles(surest[:TILES], schema))),
            section("At random", faces(_tiles([filled[i] for i in sorted(drawn)], schema))),
        ],
    )


def _tiles(samples: Sequence[Sample], schema: LandmarkSchema) -> list[str]:
    return [
        portrait(s, schema, f"weight {np.mean(list(s.filled.values())):.2f}, {len(s.filled)} filled; {s.image.name}")
        for s in samples
    ]


def _complete(sample: Sample) -> bool:
    return bool(labelled_points(sample.points).all())
