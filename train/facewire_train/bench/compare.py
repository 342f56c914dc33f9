"""Let both sides take turns on one clip, each in a process of its own, and set their figures side by side."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import facewire_edge
from facewire_edge.errors import DataError, FacewireError
from facewire_edge.machine import device_name
from facewire_edge.media import VideoFile

import facewire_train
from facewire_train.bench.environment import MediaPipe
from facewire_train.bench.inference import measure
from facewire_train.bench.row import Row, compared
from facewire_train.bench.side import WARM_UP

log = logging.getLogger(__name__)

SIDES = ("facewire", "mediapipe")
FIGURES = {  # row of the table -> figure of a side
    "frames a second": "frames_per_s",
    "CPU time a frame, ms": "cpu_ms",
    "  without decoding": "cpu_without_decoding_ms",
    "resident memory, MB": "resident_mb",
    "start to first result, s": "first_s",
    "faces found, share of frames": "found",
    "jitter, % of the eye distance": "jitter_percent",
    "  without smoothing": "raw_jitter_percent",
}


@dataclass(frozen=True, slots=True)
class Side:
    """Hold one side's commands: the one that ends after the first result, and the one that tells the figures."""

    first: tuple[str, ...]
    figures: tuple[str, ...]


def check_clip(clip: Path) -> None:
    """Look whether a clip can be compared on.

    Raises:
        DataError: it is missing, no video, or too short.

    """
    if not clip.is_file():
        raise DataError(f"no clip {str(clip)!r}; expected a video file: make bench CLIP=FILE")
    with closing(VideoFile(clip)) as video:
        count = sum(video.read() is not None for _ in range(WARM_UP + 1))
    if count <= WARM_UP:
        raise DataError(f"{clip} has {count} frames, expected more than the {WARM_UP} of the warm-up")


def compare(clip: Path, theirs: MediaPipe, frames: int, rounds: int) -> dict[str, Any]:
    """Give the whole report: who and where, and rows with both sides' figures and their ratio."""
    found = in_turn(_sides(str(clip.absolute()), theirs, frames), rounds)
    log.info("inference and the loop's own cost, in turns")
    return {
        "machine": f"{device_name()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
        "clip": clip.name,
        "frames": found["facewire"][0]["frames"],
        "rounds": rounds,
        "versions": {name: turns[0]["versions"] for name, turns in found.items()},
        "rows": {**rows_of(found), **measure(theirs)},
    }


def in_turn(sides: dict[str, Side], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Give what each side tells in each round."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            log.info("%s, round %d of %d", name, number + 1, rounds)
            found[name].append({"first_s": first_s(side.first), **_figures(side.figures)})
    return found


def rows_of(found: dict[str, list[dict[str, Any]]]) -> dict[str, Row]:
    """Give a row for each figure that both sides tell in all rounds."""
    columns = {row: [[turn[key] for turn in found[side]] for side in SIDES] for row, key in FIGURES.items()}
    return {row: compared(*both) for row, both in columns.items() if not any(None in column for column in both)}


def first_s(command: Sequence[str]) -> float:
    """Give the seconds from a process's start to its first line, which is its first result."""
    start = time.perf_counter()
    with _started(command) as process:
        line = process.stdout.readline() if process.stdout is not None else ""
        seconds = time.perf_counter() - start
        _finish(process, command)
    if not line:
        raise FacewireError(f"no result from: {' '.join(command)}")
    return seconds


def _figures(command: Sequence[str]) -> dict[str, Any]:
    with _started(command) as process:
        line = _finish(process, command).strip()
    found: dict[str, Any] = json.loads(line)
    return found


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a side; both find facewire's packages, only ours imports the edge package."""
    packages = (str(Path(package.__path__[0]).parent) for package in (facewire_edge, facewire_train))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str], command: Sequence[str]) -> str:
    """Give what the process still says.

    Raises:
        FacewireError: it fails; the message has the last line it said.

    """
    out, err = process.communicate()
    if process.returncode:
        last = (err.strip().splitlines() or ["no word"])[-1]
        raise FacewireError(f"exit code {process.returncode} of {' '.join(command)}: {last}")
    return out


def _sides(clip: str, theirs: MediaPipe, frames: int) -> dict[str, Side]:
    loop = (sys.executable, "-m", "facewire_edge", "--log-level", "error", "run", "--input", clip, "--frames", "1")
    ours = (sys.executable, "-m", "facewire_train.bench.facewire_side", clip, str(frames))
    mesh = (str(theirs.python), "-m", "facewire_train.bench.mediapipe_side", clip)
    return {"facewire": Side(loop, ours), "mediapipe": Side((*mesh, "0"), (*mesh, str(frames)))}
