"""Count the loop's instructions, inside the emulated Pi that ``bench.py`` starts: python count.py FRAMES.

The emulated clock advances 1 ns an instruction, so a duration in nanoseconds is the number of instructions.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from facewire_edge.bench import WARM_UP
from facewire_edge.camera import open_camera
from facewire_edge.config import EdgeConfig
from facewire_edge.interpreter import Model
from facewire_edge.pipeline import Stats, loop, open_tracker
from facewire_edge.publish import StdoutSink
from facewire_edge.replay import ReplayCamera
from facewire_edge.types import Image

FPS = 30.0


def main(frames: int) -> None:
    """Print the counts of the packaged clip's frames after the warm-up, as one line."""
    spent = Counter[str]()
    tracker, origin = open_tracker(EdgeConfig())
    camera = ReplayCamera(decoded(WARM_UP + frames), FPS)
    counting = patch.object(Model, "run", counted(Model.run, spent))
    with counting, Path("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):
        loop(camera, tracker, [StdoutSink()], origin, WARM_UP)
        spent.clear()
        start = time.perf_counter_ns()
        stats = loop(camera, tracker, [StdoutSink()], origin)
        whole = time.perf_counter_ns() - start
    print("RESULT", json.dumps(table(stats, whole, spent)), flush=True)


def decoded(count: int) -> list[Image]:
    """Give the first pictures of the clip: decoding is not counted, a camera's frames come decoded."""
    with closing(open_camera("replay")) as clip:
        frames = [clip.read() for _ in range(count)]
    return [frame.image for frame in frames if frame is not None]


def counted(run: Callable[[Model, Image], Any], spent: Counter[str]) -> Callable[[Model, Image], Any]:
    """Give ``Model.run`` that adds what it took to its kind's count."""

    def counting(model: Model, image: Image) -> Any:
        start = time.perf_counter_ns()
        outputs = run(model, image)
        spent[model.card.kind] += time.perf_counter_ns() - start
        return outputs

    return counting


def table(stats: Stats, whole: int, spent: Counter[str]) -> dict[str, float]:
    """Give million instructions a frame: the loop's stages, and of them what the models took."""
    stage = {name: sum(values) for name, values in stats.ms.items()}
    rows = {
        "detect": stage["detect"],
        "detect: model": spent["detector"] / 1e6,
        "landmarks": stage["landmarks"],
        "landmarks: model": spent["landmarks"] / 1e6,
        "landmarks: crop": stage["crop"],
        "publish": stage["publish"],
        "whole loop": whole / 1e6,
    }
    return {name: round(value / stats.frames, 3) for name, value in rows.items()}


if __name__ == "__main__":
    main(int(sys.argv[1]))
