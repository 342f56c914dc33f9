"""Draw a run's curves; save figures."""

from collections.abc import Sequence
from pathlib import Path

from facewire_edge.files import replacing
from matplotlib.figure import Figure


def draw_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draw the losses and the validation figures of each epoch as one PNG."""
    names = [n for n in dict.fromkeys(key for row in history for key in row) if n != "epoch"]
    losses, figures = [n for n in names if "loss" in n], [n for n in names if "loss" not in n]
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, group, title in zip(
        figure.subplots(1, 2), (losses, figures), ("training loss", "validation"), strict=True
    ):
        for name in group:
            rows = [(row["epoch"], row[name]) for row in history if name in row]
            axes.plot(*zip(*rows, strict=True), label=name, marker="." if len(rows) < 20 else "")
        # The uncertainty's loss is a logarithm and falls below 0.
        axes.set(title=title, xlabel="epoch", yscale="symlog" if group is losses else "linear")
        if group:
            axes.legend()
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
