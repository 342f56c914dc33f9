"""Say in figures how good predictions are: by every normaliser, region, landmark and group of faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from facewire_edge.geometry import Box
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

from facewire_train.evaluate import Prediction
from facewire_train.head_pose import head_poses
from facewire_train.labels import Sample
from facewire_train.metrics import auc, failure_rate, interval, mean_over_points, normalisers, point_errors

THRESHOLDS = (0.08, 0.10)  # of AUC and FR; older 300-W tables use the first, WFLW and COFW the second
YAW_DEG = (0, 15, 30, 45)  # lower bounds of the groups by how far the head is turned
FACE_PX = (0, 32, 64, 128, 256)  # lower bounds of the groups by the labelled points' longer side
MOST_VALUES = 12  # of an attribute that is worth groups
FEWEST_FACES = 5  # of a group that is worth a line

Faces = NDArray[np.bool_]  # (S,) which of them


def verdict(prediction: Prediction, schema: LandmarkSchema) -> dict[str, Any]:
    """Give all figures as JSON values; errors in percent, with 95 % confidence intervals where a mean is given."""
    truth = np.stack([s.points for s in prediction.samples])
    errors = point_errors(prediction.points, truth)
    by_name = normalisers(truth, schema)
    ocular = by_name["inter_ocular"][:, None]
    found = np.isfinite(prediction.errors)
    return {
        "faces": len(found),
        "missed": int((~found).sum()),
        "nme_percent": {name: _mean(mean_over_points(errors[found]) / v[found]) for name, v in by_name.items()},
        "bare_mean_shape_nme_percent": _mean(prediction.mean_errors[found])["mean"],
        **{f"auc{100 * t:g}": _auc(prediction.errors, t) for t in THRESHOLDS},
        **{f"fr{100 * t:g}_percent": _failures(prediction.errors, t) for t in THRESHOLDS},
        "regions_nme_percent": _regions(errors[found] / ocular[found], schema),
        "landmarks_nme_percent": _landmarks(errors[found] / ocular[found], schema),
        "groups": _groups(prediction, schema),
    }


def groups_of(samples: Sequence[Sample], schema: LandmarkSchema) -> dict[str, dict[str, Faces]]:
    """Part the faces by subset, attribute, head pose and size."""
    parts = {"subset": _by_value([s.subset for s in samples])}
    for name in sorted({name for s in samples for name in s.attributes}):
        values = _by_value([str(s.attributes[name]) if name in s.attributes else "" for s in samples])
        values.pop("", None)
        if 1 < len(values) <= MOST_VALUES:
            parts[name] = values
    yaw = np.abs(head_poses(samples, schema)[:, 0])
    boxes = [Box.around(s.points) for s in samples]
    sizes = np.array([max(b.width, b.height) for b in boxes], dtype=np.float64)
    parts["yaw"] = _by_range(yaw, YAW_DEG, "degrees")
    parts["face size"] = _by_range(sizes, FACE_PX, "px")
    return {name: groups for name, groups in parts.items() if len(groups) > 1 or name == "subset"}


def _groups(prediction: Prediction, schema: LandmarkSchema) -> dict[str, dict[str, Any]]:
    parts = groups_of(prediction.samples, schema)
    return {
        kind: {name: _of_group(prediction.errors[faces]) for name, faces in groups.items() if faces.any()}
        for kind, groups in parts.items()
    }


def _of_group(errors: NDArray[np.float64]) -> dict[str, Any]:
    found = errors[np.isfinite(errors)]
    failures = 100 * failure_rate(errors, THRESHOLDS[-1])
    return {"faces": len(errors), **_mean(found), "fr10_percent": _rounded(failures)}


def _by_value(values: Sequence[str]) -> dict[str, Faces]:
    return {value: np.array([v == value for v in values]) for value in sorted(set(values))}


def _by_range(values: NDArray[np.float64], bounds: tuple[int, ...], unit: str) -> dict[str, Faces]:
    """Part values at lower bounds; groups of few faces are left out."""
    groups = {}
    for low, high in zip(bounds, (*bounds[1:], None), strict=True):
        faces = (values >= low) & (values < (np.inf if high is None else high))
        name = f"{low} {unit} and more" if high is None else f"{low} to {high} {unit}"
        if faces.sum() >= FEWEST_FACES:
            groups[name] = np.asarray(faces, dtype=np.bool_)
    return groups


def _regions(errors: NDArray[np.float64], schema: LandmarkSchema) -> dict[str, float | None]:
    """Give the error of each contour, and of all points that lie on none."""
    on_none = sorted(set(range(schema.n)) - {i for c in schema.contours for i in c.indices})
    parts: Mapping[str, Sequence[int]] = {c.name: c.indices for c in schema.contours} | (
        {"other": on_none} if on_none and schema.contours else {}
    )
    return {name: _percent(errors[:, list(indices)], np.nanmean) for name, indices in parts.items()}


def _landmarks(errors: NDArray[np.float64], schema: LandmarkSchema) -> dict[str, float | None]:
    return {name: _percent(errors[:, i], np.nanmean) for i, name in enumerate(schema.names)}


def _mean(values: NDArray[np.float64]) -> dict[str, Any]:
    """Give the mean of faces' errors in percent with its interval."""
    known = values[np.isfinite(values)]
    low, high = interval(known)
    return {"mean": _percent(known, np.mean), "low": _rounded(100 * low), "high": _rounded(100 * high)}


def _auc(errors: NDArray[np.float64], threshold: float) -> dict[str, Any]:
    """Give the area and its interval; each face's part of it is how far it stays below the threshold."""
    low, high = interval(np.maximum(0, 1 - errors / threshold))
    return {"mean": _rounded(auc(errors, threshold)), "low": _rounded(low), "high": _rounded(high)}


def _failures(errors: NDArray[np.float64], threshold: float) -> dict[str, Any]:
    low, high = interval(np.asarray(errors > threshold, dtype=np.float64))
    return {
        "mean": _rounded(100 * failure_rate(errors, threshold)),
        "low": _rounded(100 * low),
        "high": _rounded(100 * high),
    }


def _percent(values: NDArray[np.float64], mean: Callable[[NDArray[np.float64]], Any]) -> float | None:
    return _rounded(100 * float(mean(values))) if np.isfinite(values).any() else None


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
