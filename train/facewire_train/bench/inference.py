"""What inference costs, ours and MediaPipe's in the same runtime, and what the loop costs beside it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.camera import REPLAY
from facewire_edge.card import read_card
from facewire_edge.config import EdgeConfig, model_path
from facewire_edge.delegate import CPU
from facewire_edge.detect import Int8Detector
from facewire_edge.interpreter import Model, open_interpreter
from facewire_edge.landmarks import LandmarkModel
from facewire_edge.media import VideoFile
from facewire_edge.message import Origin
from facewire_edge.pipeline import loop
from facewire_edge.publish import Sink, StdoutSink, open_sink
from facewire_edge.replay import ReplayCamera
from facewire_edge.track import Tracker, TrackSettings
from facewire_edge.types import Frame, Image

from facewire_train.bench.environment import MediaPipe
from facewire_train.bench.row import Row, compared

Turn = Callable[[], float]  # works for a while; gives the milliseconds of CPU time of one inference or frame

TURNS = 20
BLOCK = 30  # inferences or frames in a turn: the loop, which follows the one face wanted, searches every thirtieth
SIZE = 640, 480  # of the pictures for the loop's own cost
PICTURES = 60  # of the packaged clip; 55 MB
LANDMARKS, LITE, DETECTOR = EdgeConfig().model, model_path("landmarks68_lite"), EdgeConfig().detector
THEIR_LANDMARKS = "face_landmark/face_landmark"
THEIR_DETECTOR = "face_detection/face_detection_full_range_sparse"
ROWS = {  # row of the table -> ours and theirs
    "landmark inference, ms": ("landmarks", "their landmarks"),
    "  of the lite model": ("lite", "their landmarks"),
    "detector inference, ms": ("detector", "their detector"),
    "loop beside inference and capture, ms": ("loop", "their landmarks"),
}


class Timed:
    """Hold an interpreter and sum up the CPU time of its inferences."""

    def __init__(self, path: Path, flatbuffer: bytes) -> None:
        self.ns = 0
        self.interpreter: Any = open_interpreter(path, flatbuffer, 1, CPU)[0]
        self._invoke, self.interpreter.invoke = self.interpreter.invoke, self.invoke  # the rest of it costs no more

    def invoke(self) -> None:
        """Run one inference."""
        start = time.process_time_ns()
        self._invoke()
        self.ns += time.process_time_ns() - start


class JustWritten:
    """Give a replay's pictures as capture leaves them, in the processor's cache; sum up the CPU time of that."""

    live, still = False, False

    def __init__(self, replay: ReplayCamera) -> None:
        self.ns = 0
        self._replay = replay

    def read(self) -> Frame | None:
        """Give the next frame, its pixels written anew: they were read from memory 60 frames ago."""
        start = time.process_time_ns()
        frame = self._replay.read()
        frame = frame and replace(frame, image=frame.image.copy())
        self.ns += time.process_time_ns() - start
        return frame

    def close(self) -> None:
        """Close the replay."""
        self._replay.close()


def measure(theirs: MediaPipe) -> dict[str, Row]:
    """Give for each row the milliseconds of ours and of theirs, and the median of the turns' ratios."""
    with closing(JustWritten(ReplayCamera(_pictures(), loops=TURNS))) as camera, _sinks() as sinks:
        ms = take_turns(
            {
                "landmarks": inferring(_shipped(LANDMARKS)),
                "lite": inferring(_shipped(LITE)),
                "their landmarks": inferring(_foreign(theirs.model(THEIR_LANDMARKS))),
                "loop": looping(camera, sinks),
                "detector": inferring(_shipped(DETECTOR)),
                "their detector": inferring(_foreign(theirs.model(THEIR_DETECTOR))),
            }
        )
    return {row: compared(ms[ours], ms[other]) for row, (ours, other) in ROWS.items()}


def take_turns(turns: dict[str, Turn], count: int = TURNS) -> dict[str, list[float]]:
    """Give what the turns tell; the first round warms up and does not count."""
    rounds = [{name: turn() for name, turn in turns.items()} for _ in range(count + 1)]
    return {name: [found[name] for found in rounds[1:]] for name in turns}


def inferring(timed: Timed) -> Turn:
    """Give turns of a model on noise."""
    details = timed.interpreter.get_input_details()[0]
    noise = np.random.default_rng(0).random(details["shape"]) * (255 if details["dtype"] == np.uint8 else 1)
    timed.interpreter.set_tensor(details["index"], noise.astype(details["dtype"]))

    def turn() -> float:
        timed.ns = 0
        for _ in range(BLOCK):
            timed.invoke()
        return timed.ns / 1e6 / BLOCK

    return turn


def looping(camera: JustWritten, sinks: Sequence[Sink]) -> Turn:
    """Give turns of the loop with one face; the time of inference and of capture does not count."""
    landmarks, detector = _shipped(LANDMARKS), _shipped(DETECTOR)
    finder = LandmarkModel(Model(landmarks.interpreter, read_card(Path(LANDMARKS))[0], ""))
    searcher = Int8Detector(Model(detector.interpreter, read_card(Path(DETECTOR))[0], ""))
    tracker = Tracker(searcher, finder, TrackSettings(max_faces=1, min_presence=finder.card.min_presence))
    origin = Origin("cam0", finder.schema.name, finder.card.title)

    def turn() -> float:
        landmarks.ns = detector.ns = camera.ns = 0
        start = time.process_time_ns()
        loop(camera, tracker, sinks, origin, BLOCK)
        spent = time.process_time_ns() - start
        return (spent - landmarks.ns - detector.ns - camera.ns) / 1e6 / BLOCK

    return turn


def _shipped(path: str) -> Timed:
    return Timed(Path(path), read_card(Path(path))[1])


def _foreign(path: Path) -> Timed:
    return Timed(path, path.read_bytes())


def _pictures() -> list[Image]:
    """Give the packaged clip's first pictures at the size of a usual camera."""
    import cv2

    with closing(VideoFile(REPLAY)) as clip:
        frames = [clip.read() for _ in range(PICTURES)]
    return [np.asarray(cv2.resize(f.image, SIZE), dtype=np.uint8) for f in frames if f is not None]


@contextmanager
def _sinks() -> Iterator[list[Sink]]:
    """Open standard output, to nowhere, and datagrams to a socket that nobody reads."""
    with Path("/dev/null").open("w") as nowhere, socket.socket(type=socket.SOCK_DGRAM) as reader:
        reader.bind(("127.0.0.1", 0))
        with closing(open_sink(f"udp://127.0.0.1:{reader.getsockname()[1]}")) as udp, redirect_stdout(nowhere):
            yield [StdoutSink(), udp]
