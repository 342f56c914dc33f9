"""The verb ``compare``: runs in, what differs between them and what came of it out."""

from __future__ import annotations

import argparse
import json
import logging
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facewire_edge.errors import UsageError
from facewire_edge.files import refuse_unwritable, write_text

from facewire_train.charts import curves
from facewire_train.fit import CONFIG, HISTORY, read_record
from facewire_train.page import charts, page, section, table

log = logging.getLogger(__name__)

MISSING = "-"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Hold what a run folder says of itself."""

    name: str
    settings: dict[str, Any]  # by dotted key
    record: dict[str, Any]
    history: list[dict[str, float]]


def run(arguments: argparse.Namespace) -> None:
    """Compare; print a table, write a page if asked for."""
    refuse_unwritable(arguments.page)
    runs = with_names_apart([read_run(folder) for folder in arguments.runs], arguments.runs)
    print(as_text(runs))
    if arguments.page is not None:
        write_text(arguments.page, comparison_page(runs))
        log.info("page: %s", arguments.page)


def with_names_apart(runs: Sequence[Run], folders: Sequence[Path]) -> list[Run]:
    """Name runs by their whole paths where two folders have one name, as the folds of two runs."""
    if len({run.name for run in runs}) == len(runs):
        return list(runs)
    return [replace(run, name=str(folder)) for run, folder in zip(runs, folders, strict=True)]


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        UsageError: it is none, or its files are broken.

    """
    record = read_record(folder)
    if not record:
        raise UsageError(f"{folder} holds no run; expected a folder that `facewire-train fit` wrote")
    try:
        settings = tomllib.loads((folder / CONFIG).read_text())
        history = json.loads((folder / HISTORY).read_text()) if (folder / HISTORY).is_file() else []
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is broken ({error}); train it again") from error
    return Run(folder.name or str(folder), _flat(settings), record, history)


def differing(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Give the settings that are not the same in all runs, and the data."""
    keys = sorted({key for r in runs for key in r.settings})
    rows = {key: [r.settings.get(key, MISSING) for r in runs] for key in keys}
    rows["data"] = [", ".join(d["name"] for d in r.record.get("data", ())) for r in runs]
    return {key: values for key, values in rows.items() if any(v != values[0] for v in values)}


def results(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Give what came of the runs: epochs, the last loss, the last validation figures."""
    names = dict.fromkeys(n for r in runs for row in r.history for n in row if n.startswith("val_"))
    rows: dict[str, list[Any]] = {
        "epochs": [len(r.history) for r in runs],
        "finished": ["yes" if r.record.get("finished") else "no" for r in runs],
        "loss": [_round(r.history[-1].get("loss")) if r.history else MISSING for r in runs],
    }
    for name in names:
        rows[f"final {name}"] = [_round(_last(r, name)) for r in runs]
    return rows


def as_text(runs: Sequence[Run]) -> str:
    """Give the tables as text, one column a run."""
    rows = [("", *(r.name for r in runs))]
    rows += [(key, *(str(v) for v in values)) for key, values in (differing(runs) | results(runs)).items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(runs) + 1)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def comparison_page(runs: Sequence[Run]) -> str:
    """Give the page with the same tables and the curves."""
    header = ("", *(r.name for r in runs))
    names = dict.fromkeys(n for r in runs for row in r.history for n in row if n != "epoch")
    drawn = []
    for name in names:
        lines = {r.name: _line(r, name) for r in runs if any(name in row for row in r.history)}
        scale = "symlog" if "loss" in name else "linear"  # the uncertainty's loss falls below 0
        drawn.append(curves(lines, name, "epoch", name, yscale=scale))
    return page(
        "Runs",
        f"{len(runs)} runs side by side.",
        [
            section("Results", table(header, [(k, *v) for k, v in results(runs).items()])),
            section("Settings that differ", table(header, [(k, *map(str, v)) for k, v in differing(runs).items()])),
            section("Curves", charts(drawn)),
        ],
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _line(item: Run, name: str) -> tuple[list[float], list[float]]:
    rows = [row for row in item.history if name in row]
    return [row["epoch"] for row in rows], [row[name] for row in rows]


def _last(item: Run, name: str) -> float | None:
    figures: list[dict[str, float]] = [*item.history, item.record.get("validation", {})]
    return next((row[name] for row in reversed(figures) if name in row), None)


def _round(value: float | None) -> float | str:
    return MISSING if value is None else float(f"{value:.4g}")
