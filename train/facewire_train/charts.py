"""Draw what the pages show: curves, histograms and shapes, as SVG."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from facewire_edge.schema import LandmarkSchema
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from facewire_train.page import picture

SIZE_INCH = (4.2, 3.0)  # about as wide as a telephone: letters keep their size there
BARS = 30
LINE = 34  # letters of a title, and of a line's name, that fit into that width
LEGEND_LINE_INCH = 0.17
REACH = 2.0  # standard deviations that a mode is drawn at


def chart(figure: Figure, name: str, caption: str = "") -> str:
    """Give a figure as HTML with the drawing inside."""
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "facewire"}):  # the same data give the same file
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return picture(buffer.getvalue(), "image/svg+xml", caption, name)


def histogram(values: NDArray[np.float64], title: str, unit: str) -> str:
    """Draw how often values occur; those that are not finite are left out."""
    known = values[np.isfinite(values)]
    figure, axes = new_figure()
    axes.hist(known, bins=BARS, color="tab:blue")
    axes.set(title=title, xlabel=unit, ylabel="faces")
    return chart(figure, title, f"{_spread(known)} ({unit})" if len(known) else "not known of any face")


def _spread(values: NDArray[np.float64]) -> str:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    return f"median {middle:.3g}, 5 % {low:.3g}, 95 % {high:.3g}"


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, x: str, y: str, **axis: Any
) -> str:
    """Draw named lines."""
    names = {name: _wrapped(name) for name in lines}
    legend = LEGEND_LINE_INCH * sum(1 + name.count("\n") for name in names.values())
    figure, axes = new_figure(height=SIZE_INCH[1] + legend)
    for name, (xs, ys) in lines.items():
        axes.plot(xs, ys, label=names[name], marker="o" if len(xs) == 1 else "." if len(xs) < 20 else "")
    axes.set(title=_wrapped(title), xlabel=x, ylabel=y, **axis)
    axes.grid(alpha=0.3)
    if lines:
        figure.legend(loc="outside lower center", fontsize="small")
    return chart(figure, title)


def bars(values: Mapping[str, float], title: str, unit: str, errors: NDArray[np.float64] | None = None) -> str:
    """Draw one bar a name, from the top; ``errors`` (2, n) are distances below and above."""
    figure, axes = new_figure(height=max(SIZE_INCH[1], 0.8 + 0.26 * len(values)))
    axes.barh(list(values), list(values.values()), xerr=errors, color="tab:blue", ecolor="black", capsize=2)
    axes.invert_yaxis()
    axes.set(title=_wrapped(title), xlabel=unit)
    return chart(figure, title)


def shape_values(
    shape: NDArray[np.float32], values: NDArray[np.float64], schema: LandmarkSchema, title: str, unit: str
) -> str:
    """Draw one value a landmark on a face (N, 2)."""
    figure, axes = new_figure(height=4.0)
    draw_shape(axes, shape, schema, "lightgrey")
    dots = axes.scatter(shape[:, 0], shape[:, 1], c=values, cmap="viridis", s=30, zorder=3)
    figure.colorbar(dots, ax=axes, label=unit)
    _as_face(axes, title)
    return chart(figure, title)


def shape_mode(
    mean: NDArray[np.float32], mode: NDArray[np.float64], schema: LandmarkSchema, title: str, caption: str
) -> str:
    """Draw the mean shape and what a mode (N, 2), one standard deviation long, makes of it."""
    figure, axes = new_figure(height=4.0)
    draw_shape(axes, mean, schema, "lightgrey")
    for sign, colour in ((-REACH, "tab:blue"), (REACH, "tab:red")):
        draw_shape(axes, (mean + sign * mode).astype(np.float32), schema, colour)
    _as_face(axes, title)
    return chart(figure, title, caption)


def draw_shape(axes: Any, shape: NDArray[np.float32], schema: LandmarkSchema, colour: str) -> None:
    """Draw contours and points of a face (N, 2)."""
    for contour in schema.contours:
        indices = [*contour.indices, *(contour.indices[:1] if contour.closed else ())]
        axes.plot(*shape[indices].T, color=colour, linewidth=1, zorder=1)
    axes.scatter(shape[:, 0], shape[:, 1], color=colour, s=6, zorder=2)


def new_figure(height: float = SIZE_INCH[1]) -> tuple[Figure, Any]:
    """Give a figure of the pages' width and its axes."""
    figure = Figure(figsize=(SIZE_INCH[0], height), layout="constrained")
    return figure, figure.subplots()


def _as_face(axes: Any, title: str) -> None:
    axes.set(title=_wrapped(title), aspect="equal", xticks=[], yticks=[])
    axes.invert_yaxis()


def _wrapped(text: str) -> str:
    """Break a text that would not fit; names of models have no spaces."""
    return textwrap.fill(text, LINE)
