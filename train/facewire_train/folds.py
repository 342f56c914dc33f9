"""Cross-validation: every person is held back once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from facewire_edge.errors import DataError

from facewire_train.labels import Dataset, hold_back, number_of, only_labelled


def fold_of(subject: str, folds: int) -> int:
    """Give the fold that holds a subject back; everybody has the same ones."""
    return number_of(f"fold of {subject}") % folds


def with_fold(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """Hold back one fold's subjects of a set as it is labelled; the test split stays out of it.

    Raises:
        DataError: a side of the fold is empty.

    """
    training = (s if s.split == "test" else replace(s, split="train") for s in dataset.samples)
    samples = only_labelled(hold_back(training, lambda subject: fold_of(subject, folds) == fold))
    splits = {s.split for s in samples}
    if not {"train", "val"} <= splits:
        raise DataError(f"{dataset.path} has too few people or images for {folds} folds; choose fewer --folds")
    digest = hashlib.sha256(f"{dataset.fingerprint} fold {fold} of {folds}".encode()).hexdigest()
    return replace(dataset, samples=samples, fingerprint=digest)


def spread(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give mean and standard deviation of the validation figures of all folds."""
    names = dict.fromkeys(name for record in records for name in record.get("validation", {}))
    table: dict[str, Any] = {"folds": len(records)}
    for name in names:
        each = [float(r["validation"][name]) for r in records if name in r["validation"]]
        deviation = float(np.std(each, ddof=1)) if len(each) > 1 else 0.0
        table[name] = {
            "mean": round(float(np.mean(each)), 4),
            "deviation": round(deviation, 4),
            "each": [round(v, 4) for v in each],
        }
    return table
