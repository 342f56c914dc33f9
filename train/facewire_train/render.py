"""Write synthetic faces: a data set in the native format, or a clip."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.files import opencv_name, replacing
from facewire_edge.geometry import Box
from rich.console import Console
from rich.progress import track

from facewire_train.folders import refuse_used, whole_folder
from facewire_train.synthetic import SyntheticFace, render, render_clip, render_group

log = logging.getLogger(__name__)

HEADER = """format = 1
name = "synthetic"
schema = "ibug68"
about = "{count} pictures rendered by facewire, seed {seed}"
terms = "free: rendered by facewire"
"""
LARGEST_PX = 2048
RENDERER = 3  # raised whenever a seed's labels or pictures change
TEST_EVERY = 10
LEAST_VISIBLE = 0.2  # share of its points
CLIP_WIDTH, CLIP_HEIGHT, CLIP_FPS = 320, 240, 20.0
JPEG_QUALITY = 90
DEFAULTS = {"count": 3000, "size": 160, "faces": 1}


def run(arguments: argparse.Namespace) -> None:
    """Render what the command line asks for."""
    for name in ("count", "size", "clip", "faces"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be 1 or more, got {value}")
    if arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    if (arguments.size or 0) > LARGEST_PX:
        raise UsageError(f"--size must be {LARGEST_PX} or less, got {arguments.size}")
    named = {name: value for name in ("count", "size", "faces") if (value := getattr(arguments, name)) is not None}
    if arguments.clip and named:
        raise UsageError(f"--clip renders one person at {CLIP_WIDTH}x{CLIP_HEIGHT}; leave out --{', --'.join(named)}")
    if arguments.clip:
        write_clip(arguments.out, arguments.seed, arguments.clip)
    else:
        chosen = {**DEFAULTS, **named}
        write_dataset(arguments.out, chosen["count"], arguments.seed, chosen["size"], most=chosen["faces"])
    log.info("rendered %s", arguments.out)


def write_dataset(
    out: Path, count: int, seed: int, size_px: int, jpeg_quality: int = JPEG_QUALITY, most: int = 1
) -> None:
    """Write ``count`` pictures of 1 to ``most`` faces in the native format; the folder appears when it is whole.

    Raises:
        UsageError: the folder holds something already.
        OutputError: the disk does not take it.

    """
    refuse_used(out)
    with whole_folder(out) as folder:
        (folder / "img").mkdir()
        (folder / "dataset.toml").write_text(HEADER.format(count=count, seed=seed))
        with (folder / "faces.jsonl").open("w") as lines:
            console = Console(stderr=True)
            for index in track(range(count), f"rendering {count} pictures", console=console):
                one = most == 1
                faces = [render(seed, index, size_px)] if one else render_group(seed, index, size_px, most)
                entry = _write_picture(folder, faces, index, jpeg_quality)
                lines.write(json.dumps(entry, separators=(",", ":")) + "\n")


def _write_picture(folder: Path, faces: Sequence[SyntheticFace], index: int, jpeg_quality: int) -> dict[str, Any]:
    name, image = f"img/{index:06d}.jpg", faces[0].image
    if not cv2.imwrite(opencv_name(folder / name), image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]):
        raise OutputError(f"cannot write {folder / name}; free the disk")
    split = "test" if index % TEST_EVERY == TEST_EVERY - 1 else "train"
    size = {"width": image.shape[1], "height": image.shape[0]}
    labels = [_labels(face) for face in faces]
    return {"image": name, **size, "split": split, "subset": "synthetic", "complete": True, "faces": labels}


def _labels(face: SyntheticFace) -> dict[str, Any]:
    """Give a face's labels; one of which next to nothing is seen is neither wanted nor background."""
    box = Box.around(face.points)
    labels = {
        "box": [round(v, 2) for v in (box.x0, box.y0, box.x1, box.y1)],
        "points": np.round(face.points.astype(float), 2).tolist(),
        "visibility": "".join("v" if v else "o" for v in face.visible),
    }
    return labels if face.visible.mean() >= LEAST_VISIBLE else {**labels, "ignore": True}


def write_clip(
    out: Path,
    seed: int,
    frames: int,
    width: int = CLIP_WIDTH,
    height: int = CLIP_HEIGHT,
    fps: float = CLIP_FPS,
) -> None:
    """Write one moving person as an MP4; the file appears when it is whole.

    Raises:
        UsageError: the name does not end in .mp4.
        OutputError: the video cannot be written.

    """
    if out.suffix.lower() != ".mp4":
        raise UsageError(f"{out} cannot be a clip; expected a name that ends in .mp4")
    with replacing(out) as temporary:
        writer = cv2.VideoWriter(opencv_name(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        try:
            if not writer.isOpened():
                raise OutputError(
                    f"cannot write {out}: OpenCV has no MPEG-4 encoder here; install opencv-python-headless"
                )
            for face in render_clip(seed, frames, width, height):
                writer.write(face.image[:, :, ::-1])
        finally:
            writer.release()
