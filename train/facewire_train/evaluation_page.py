"""The page that sets models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facewire_train.charts import bars, curves, shape_values
from facewire_train.contest import Contestant
from facewire_train.page import charts, faces, note, page, section, table
from facewire_train.portraits import portrait

CURVE_PERCENT = 15.0  # where the error curves end
CURVE_STEPS = 301
TILES = 16  # faces of each kind
NORMALISERS = {
    "inter_ocular": "NME, inter-ocular",
    "inter_pupil": "NME, inter-pupil",
    "box_diagonal": "NME, box diagonal",
}
SCORES = {"auc8": "AUC 8 %", "auc10": "AUC 10 %", "fr8_percent": "FR 8 %", "fr10_percent": "FR 10 %"}


def evaluation_page(
    contestants: Sequence[Contestant], figures: Sequence[Mapping[str, Any]], about: str, agreement: Mapping[str, Any]
) -> str:
    """Give the page; ``figures`` are the contestants' own, ``agreement`` is of the detector's boxes."""
    parts = [_overview(figures), _curves(contestants), _where(contestants, figures), _groups(figures)]
    parts += [_boxes(figures, agreement)]
    parts += [_faces(contestant) for contestant in contestants]
    return page("Evaluation", about, parts)


def _overview(figures: Sequence[Mapping[str, Any]]) -> str:
    errors = [(label, [f["nme_percent"].get(name) for f in figures]) for name, label in NORMALISERS.items()]
    rows: list[tuple[Any, ...]] = [
        ("faces", *(f["faces"] for f in figures)),
        ("missed", *(f["missed"] for f in figures)),
        *((label, *map(_with_interval, cells)) for label, cells in errors),
        ("bare mean shape, inter-ocular", *(f["bare_mean_shape_nme_percent"] for f in figures)),
        *((label, *(_with_interval(f[name]) for f in figures)) for name, label in SCORES.items()),
        ("size, kB", *(None if f["bytes"] is None else round(f["bytes"] / 1000) for f in figures)),
        ("ms a face", *(f["ms_per_face"] for f in figures)),
    ]
    text = (
        "NME in % of the named distance, mean over the faces that were found; AUC and FR count a missed face as "
        "infinite, by the inter-ocular distance. In brackets: 95 % confidence by bootstrap over faces. "
        "Speed: one crop, one call, on the machine that made this page."
    )
    return section("Side by side", table(("", *(f["model"] for f in figures)), rows), note(text))


def _curves(contestants: Sequence[Contestant]) -> str:
    xs = np.linspace(0, CURVE_PERCENT, CURVE_STEPS)
    lines = {c.name: _cumulative(c.prediction.errors, xs) for c in contestants}
    bare = next((c for c in contestants if np.isfinite(c.prediction.mean_errors).any()), None)
    if bare is not None:
        lines["bare mean shape"] = _cumulative(bare.prediction.mean_errors, xs)
    drawn = [curves(lines, "Cumulative error", "NME %, inter-ocular", "share of the faces")]
    timed = [c for c in contestants if c.ms is not None and np.isfinite(c.prediction.errors).any()]
    if timed:
        errors = {c.name: ([c.ms or 0.0], [_found_percent(c)]) for c in timed}
        drawn.append(curves(errors, "Error against time", "ms a face", "NME %", xscale="log"))
    return section("Curves", charts(drawn))


def _cumulative(errors: np.ndarray[Any, Any], xs: np.ndarray[Any, Any]) -> tuple[list[float], list[float]]:
    share = np.searchsorted(np.sort(errors), xs / 100, side="right") / len(errors)
    return xs.tolist(), share.tolist()


def _found_percent(contestant: Contestant) -> float:
    errors = contestant.prediction.errors
    return float(100 * errors[np.isfinite(errors)].mean())


def _where(contestants: Sequence[Contestant], figures: Sequence[Mapping[str, Any]]) -> str:
    """Draw the error of each landmark, and list those of the regions."""
    drawn = []
    for contestant, f in zip(contestants, figures, strict=True):
        shape = contestant.card.mean_shape if contestant.card is not None else _mean_shape(contestants)
        values = np.array([np.nan if v is None else v for v in f["landmarks_nme_percent"].values()], dtype=np.float64)
        if shape is not None and len(shape) == len(values):
            drawn.append(shape_values(shape, values, contestant.schema, contestant.name, "NME %, inter-ocular"))
        if f["regions_nme_percent"]:
            regions = {name: value or 0.0 for name, value in f["regions_nme_percent"].items()}
            drawn.append(bars(regions, f"{contestant.name}: regions", "NME %, inter-ocular"))
    return section("Where on the face", charts(drawn))


def _mean_shape(contestants: Sequence[Contestant]) -> Any:
    return next((c.card.mean_shape for c in contestants if c.card is not None), None)


def _groups(figures: Sequence[Mapping[str, Any]]) -> str:
    kinds = dict.fromkeys(kind for f in figures for kind in f["groups"])
    rows = []
    for kind in kinds:
        for name in dict.fromkeys(n for f in figures for n in f["groups"].get(kind, ())):
            cells = [f["groups"].get(kind, {}).get(name) for f in figures]
            count = next(c["faces"] for c in cells if c is not None)
            rows.append((kind, name, count, *(_with_interval(c) for c in cells)))
    header = ("by", "group", "faces", *(f["model"] for f in figures))
    text = "NME in % of the inter-ocular distance; yaw is estimated from the labels, whichever way the head turns."
    return section("Groups", note(text), table(header, rows))


def _boxes(figures: Sequence[Mapping[str, Any]], agreement: Mapping[str, Any]) -> str:
    rows = [
        (
            f["model"],
            _with_interval(f["nme_percent"]["inter_ocular"]),
            _with_interval(f["detector_boxes"]["nme_percent"]["inter_ocular"]),
            f["detector_boxes"]["missed"],
            _with_interval(f["detector_boxes"]["fr10_percent"]),
        )
        for f in figures
        if "detector_boxes" in f
    ]
    if not rows and not agreement:
        return ""
    header = ("model", "NME, true boxes", "NME, detector's boxes", "missed", "FR 10 %, detector's boxes")
    return section(
        "Detector boxes against true boxes",
        table(header, rows) if rows else "",
        table(("boxes", "value"), list(agreement.items())),
    )


def _faces(contestant: Contestant) -> str:
    errors = contestant.prediction.errors
    order = np.argsort(errors, kind="stable")
    middle = max(0, len(order) // 2 - TILES // 4)
    kinds = {"worst": order[::-1][:TILES], "median": order[middle : middle + TILES // 2], "best": order[: TILES // 2]}
    parts = []
    for kind, chosen in kinds.items():
        tiles = [_tile(contestant, int(i)) for i in chosen]
        parts += [note(f"{kind.capitalize()} (labels green, model red)"), faces(tiles)]
    return section(f"Faces: {contestant.name}", *parts)


def _tile(contestant: Contestant, i: int) -> str:
    prediction = contestant.prediction
    sample, error = prediction.samples[i], prediction.errors[i]
    caption = f"{100 * error:.1f} %" if np.isfinite(error) else "missed"
    said = prediction.points[i] if np.isfinite(error) else None
    return portrait(sample, contestant.schema, f"{caption}, {sample.image.name}", said)


def _with_interval(figure: Mapping[str, Any] | None) -> str | None:
    if figure is None or figure["mean"] is None:
        return None
    return f"{figure['mean']:.4g} ({figure['low']:.3g} to {figure['high']:.3g})"
