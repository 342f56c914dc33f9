"""Write what the parity gate found: figures, the worst faces, the error of each landmark."""

from __future__ import annotations

import html
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.files import write_bytes, write_text
from facewire_edge.types import Image, Points
from facewire_train.images import read_labelled
from facewire_train.page import note, page, picture, section, table
from matplotlib.figure import Figure

from facewire_convert.edgetpu import Mapping
from facewire_convert.parity import LandmarkParity

PAGE = "report.html"
WORST_FACES = 12
COLUMNS = 4
TILE_PX = 256
LINE_PX = 16  # of the text under a tile
TRUTH, FLOAT, INT8 = (80, 220, 80), (80, 160, 255), (255, 60, 60)  # RGB
PLOT_DPI = 90
HOLDS, DOUBTED, FAILS = "#2a9d4a", "#c98a00", "#d0342c"  # beside the verdict


@dataclass(frozen=True, slots=True)
class Report:
    """Hold all that a report says."""

    model: str
    verdict: str  # in words
    gate: dict[str, Any]  # the verdict's figures
    figures: dict[str, Any]  # of a landmark model
    calibration: dict[str, int]
    edgetpu: Mapping
    card: dict[str, Any] = field(default_factory=dict)  # where the float model comes from
    images: dict[str, bytes] = field(default_factory=dict)  # file name -> PNG


def write_report(report: Report, folder: Path) -> None:
    """Write ``report.json``, ``report.html`` and the images, each file whole or not at all.

    Raises:
        OutputError: the folder cannot be written.

    """
    for name, data in report.images.items():
        write_bytes(folder / name, data)
    write_text(folder / "report.json", json.dumps(values(report), indent=1) + "\n")
    write_text(folder / PAGE, report_page(report))


def values(report: Report) -> dict[str, Any]:
    """Give the report as JSON values."""
    return {
        "model": report.model,
        "verdict": report.verdict,
        "gate": report.gate,
        "figures": report.figures,
        "calibration": report.calibration,
        "edgetpu": report.edgetpu.to_dict(),
        **report.card,
    }


def report_page(report: Report) -> str:
    """Give one HTML page that needs no other file."""
    gate = {name: value for name, value in report.gate.items() if name != "doubts"}  # the verdict says them
    parts = [
        _verdict(report),
        _figures("Gate", gate),
        _figures("Landmarks", report.figures),
        _figures("Calibration", report.calibration),
        section("Edge TPU", note(report.edgetpu.summary), _findings(report.edgetpu)),
        *(section(name, _picture(name, data)) for name, data in report.images.items()),
    ]
    return page(f"{report.model}: float against int8", "", parts)


def landmark_images(parity: LandmarkParity, card: ModelCard) -> dict[str, bytes]:
    """Draw the worst faces and the error of each landmark."""
    return {"worst_faces.png": worst_faces(parity), "per_landmark.png": per_landmark(parity, card)}


def worst_faces(parity: LandmarkParity) -> bytes:
    """Draw the faces on which int8 is furthest from float, worst first, as PNG."""
    difference = parity.difference_px.mean(axis=1)
    order = np.argsort(-difference, kind="stable")[:WORST_FACES]
    tiles = [_tile(parity, int(i), float(difference[i])) for i in order]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    return bytes(cv2.imencode(".png", cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))[1])


def per_landmark(parity: LandmarkParity, card: ModelCard) -> bytes:
    """Draw on the mean face how far int8 is from float at each landmark, as PNG."""
    assert card.schema is not None
    assert card.mean_shape is not None
    shape, difference = card.mean_shape, parity.difference_px.mean(axis=0)
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    for contour in card.schema.contours:
        indices = [*contour.indices, *(contour.indices[:1] if contour.closed else ())]
        axes.plot(*shape[indices].T, color="lightgrey", zorder=1)
    points = axes.scatter(shape[:, 0], shape[:, 1], c=difference, cmap="viridis", s=60, zorder=2)
    figure.colorbar(points, ax=axes, label="mean distance of int8 from float, crop pixels")
    axes.set(title="difference at each landmark", aspect="equal", xticks=[], yticks=[])
    axes.invert_yaxis()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=PLOT_DPI, format="png")
    return buffer.getvalue()


def _tile(parity: LandmarkParity, index: int, difference_px: float) -> Image:
    """Draw one face in its crop: truth, float and int8, with a line of text under it."""
    sample, crop = parity.samples[index], parity.crops[index]
    tile = cv2.resize(crop.warp(read_labelled(sample)), (TILE_PX, TILE_PX), interpolation=cv2.INTER_CUBIC)
    sides = (
        (TRUTH, 2, sample.points),
        (FLOAT, 3, parity.float_.points[index]),  # larger, so that it shows around int8
        (INT8, 1, parity.int8.points[index]),
    )
    for colour, radius, points in sides:
        _draw_points(tile, crop.to_units(points) * np.float32(TILE_PX) - np.float32(0.5), colour, radius)
    line = np.zeros((LINE_PX, TILE_PX, 3), np.uint8)
    text = (
        f"{difference_px:.2f} px  NME {100 * parity.float_.errors[index]:.2f} > {100 * parity.int8.errors[index]:.2f}"
    )
    cv2.putText(line, text, (4, LINE_PX - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([tile, line])


def _draw_points(tile: Image, points: Points, colour: tuple[int, int, int], radius: int) -> None:
    for x, y in points[np.isfinite(points).all(axis=1)]:
        cv2.circle(tile, (round(float(x)), round(float(y))), radius, colour, -1, cv2.LINE_AA)


def _verdict(report: Report) -> str:
    colour = FAILS if not report.gate["holds"] else DOUBTED if report.gate["doubts"] else HOLDS
    return f'<p style="border-left:.4rem solid {colour};padding-left:.6rem">{html.escape(report.verdict)}</p>'


def _figures(title: str, rows: dict[str, Any]) -> str:
    return section(title, table(("figure", "value"), list(rows.items()))) if rows else ""


def _findings(mapping: Mapping) -> str:
    if not mapping.findings:
        return ""
    rows = [(f.number, f.operation, f.layer, f.constraint, f.remedy) for f in mapping.findings]
    return table(("number", "operation", "layer", "constraint", "remedy"), rows)


def _picture(name: str, data: bytes) -> str:
    """Give a picture, no wider than it is."""
    width = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)).shape[1]
    legend = "truth green, float blue, int8 red" if name == "worst_faces.png" else ""
    return f'<div style="max-width:{width}px">{picture(data, "image/png", legend, name)}</div>'
