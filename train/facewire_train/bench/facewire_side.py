"""facewire's side of the comparison: the real loop with the shipped models, one face, messages to nowhere."""

from __future__ import annotations

import json
import sys
from contextlib import closing, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.bench import versions
from facewire_edge.config import EdgeConfig
from facewire_edge.pipeline import loop, open_input, open_tracker
from facewire_edge.publish import Sink, StdoutSink

from facewire_train.bench.jitter import COMMON, Points, jitter
from facewire_train.bench.side import WARM_UP, Ahead, Play, Watch, percent, report

OURS = list(COMMON)


class Keeper:
    """Be a sink that keeps the common landmarks of the largest face."""

    def __init__(self) -> None:
        self.points: list[Points | None] = []

    def publish(self, message: dict[str, Any]) -> None:
        """Take a frame's message."""
        faces, size = message["faces"], (message["width"], message["height"])
        landmarks = [faces[0]["landmarks"][i] for i in OURS] if faces else None
        self.points.append(None if landmarks is None else (np.array(landmarks) * size).astype(np.float32))

    def close(self) -> None:
        """Hold nothing open."""


def main(arguments: list[str]) -> None:
    """Print the figures of ``CLIP FRAMES`` as one line of JSON."""
    config = EdgeConfig(input=arguments[0], max_faces=1)
    frames = int(arguments[1])
    figures = report(partial(play, config, frames), versions())
    raw = play(replace(config, smooth=False), frames, ahead=True)
    print(json.dumps({**figures, "raw_jitter_percent": percent(jitter(raw.points))}))


def play(config: EdgeConfig, frames: int, ahead: bool) -> Play:
    """Take a clip through the loop."""
    watch, keeper = Watch(), Keeper()
    tracker, origin = open_tracker(config)
    sinks: list[Sink] = [StdoutSink(), keeper]
    with closing(open_input(config)) as camera, Path("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):
        source = Ahead(camera, watch) if ahead else camera
        loop(source, tracker, sinks, origin, WARM_UP)
        watch.start()
        loop(source, tracker, sinks, origin, frames - WARM_UP)
        watch.stop()
    return Play(keeper.points, watch)


if __name__ == "__main__":
    main(sys.argv[1:])
