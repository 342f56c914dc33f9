"""Write what a run can be followed and repaired by: a table of its epochs, and the batch that broke it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.files import replacing, write_text
from numpy.typing import NDArray


def write_history_csv(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write one row an epoch; a figure that an epoch does not have is left empty."""
    names = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    write_text(path, text.getvalue())


def write_batch(images: NDArray[np.float32], targets: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Write a batch as ``.npz``: ``images`` in [-1, 1] and the targets by output."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {"images": images, **targets}
        np.savez_compressed(file, **arrays)
