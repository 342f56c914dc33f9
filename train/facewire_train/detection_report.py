"""Draw what a detector finds, misses and invents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.geometry import Box
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from facewire_train.curves import save_figure
from facewire_train.detection import MISSED, SMALLEST_PX, Scene, curve, judged, size_px
from facewire_train.faces import face_box
from facewire_train.images import read_image

DRAWN = 25
AROUND = 1.5  # box sizes shown on every side


def write_detection_report(scenes: Sequence[Scene], card: ModelCard, folder: Path) -> None:
    """Write the precision-recall curves, the largest faces missed and the surest false alarms as PNGs."""
    save_figure(_curves(scenes), folder / "precision_recall.png")
    save_figure(_sheet(sorted(_missed(scenes, card), key=lambda c: -c[2])), folder / "missed.png")
    save_figure(_sheet(sorted(_invented(scenes), key=lambda c: -c[2])), folder / "false_alarms.png")


def _curves(scenes: Sequence[Scene]) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for smallest in SMALLEST_PX:
        _, hits, wanted = judged(scenes, smallest)
        precision, recall = curve(hits, wanted)
        axes.plot(recall, precision, label=f"faces of {smallest} px and more ({wanted})")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _missed(scenes: Sequence[Scene], card: ModelCard) -> list[tuple[Path, Box, float]]:
    """Give (image, box, size) of the wanted faces without a detection at the card's threshold."""
    cases = []
    for scene in scenes:
        seen = {m for d, m in zip(scene.detections, scene.matches, strict=True) if d.score >= card.min_score}
        boxes = [face_box(f) for i, f in enumerate(scene.faces) if i not in seen and not f.ignore]
        cases += [(scene.image, b, size_px(b, scene)) for b in boxes]
    return cases


def _invented(scenes: Sequence[Scene]) -> list[tuple[Path, Box, float]]:
    """Give (image, box, score) of the detections that are no face."""
    return [
        (scene.image, d.box, d.score)
        for scene in scenes
        for d, m in zip(scene.detections, scene.matches, strict=True)
        if m == MISSED
    ]


def _sheet(cases: Sequence[tuple[Path, Box, float]]) -> Figure:
    side = max(1, int(np.ceil(np.sqrt(min(DRAWN, len(cases))))))
    figure = Figure(figsize=(2.4 * side, 2.6 * side), layout="constrained")
    for axes in figure.subplots(side, side, squeeze=False).ravel():
        axes.axis("off")
    for axes, (path, box, value) in zip(figure.axes, cases[:DRAWN], strict=False):
        _draw(axes, path, box, f"{value:.2f}" if value < 1 else f"{value:.0f} px")
    return figure


def _draw(axes: Any, path: Path, box: Box, title: str) -> None:
    axes.imshow(read_image(path))
    axes.add_patch(Rectangle((box.x0, box.y0), box.width, box.height, fill=False, edgecolor="lime"))
    reach = AROUND * max(box.width, box.height)
    axes.set(xlim=(box.x0 - reach, box.x1 + reach), ylim=(box.y1 + reach, box.y0 - reach))
    axes.set_title(title, fontsize=9)
