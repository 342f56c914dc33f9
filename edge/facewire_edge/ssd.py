"""Find faces with an SSD model whose last operation decodes and suppresses, such as Coral's face model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewire_edge.delegate import CPU
from facewire_edge.detect import letterbox
from facewire_edge.errors import ModelError
from facewire_edge.facebox import points5_of_box
from facewire_edge.geometry import Box
from facewire_edge.interpreter import open_interpreter
from facewire_edge.types import Detection, Image

MIN_SCORE = 0.5
# Dimensions of the outputs -> places of boxes and scores. Nothing but the order tells scores from classes.
ORDERS: dict[tuple[int, ...], tuple[int, int]] = {
    (3, 2, 2, 1): (0, 2),  # boxes, classes, scores, count: the operation's own, and Coral's models
    (2, 3, 1, 2): (1, 0),  # scores, boxes, count, classes: as TensorFlow 2's detection API exports it
}


class SsdDetector:
    """Hold an SSD interpreter: boxes (1, N, 4) as y0, x0, y1, x1 in [0, 1], classes and scores (1, N), count (1,).

    It gives no points; the five are those of an upright face in the box.

    Source: TensorFlow's ``TFLite_Detection_PostProcess`` operation.
    """

    def __init__(self, path: Path, min_score: float | None = None, threads: int = 1, device: str = CPU) -> None:
        self._interpreter, self.device = _open(path, threads, device)
        self._min_score = MIN_SCORE if min_score is None else min_score
        details = self._interpreter.get_input_details()[0]
        self._input, (_, self._height, self._width, _) = details["index"], details["shape"].tolist()
        outputs = self._interpreter.get_output_details()
        boxes, scores = ORDERS[tuple(len(d["shape"]) for d in outputs)]
        self._boxes, self._scores = outputs[boxes]["index"], outputs[scores]["index"]

    def __call__(self, image: Image) -> list[Detection]:
        """Give the detections in frame pixels, best first."""
        letter, scale = letterbox(image, self._width, self._height)
        self._interpreter.set_tensor(self._input, letter[np.newaxis])
        self._interpreter.invoke()
        boxes, scores = (self._interpreter.get_tensor(i)[0] for i in (self._boxes, self._scores))
        found = [self._detection(b, float(s), scale) for b, s in zip(boxes, scores, strict=True)]
        return sorted((d for d in found if d.score >= self._min_score), key=lambda d: -d.score)

    def _detection(self, box: NDArray[np.float32], score: float, scale: float) -> Detection:
        y0, x0, y1, x1 = (box * (self._height, self._width, self._height, self._width) / scale - 0.5).tolist()
        found = Box(x0, y0, x1, y1)
        return Detection(found, score, points5_of_box(found))


def _open(path: Path, threads: int, device: str) -> tuple[Any, str]:
    """Load the file and look at what it takes and gives; give the interpreter and the device that runs it.

    Raises:
        ModelError: the file is missing, cannot be run, or is no such model.

    """
    if not path.is_file():
        raise ModelError(f"no detector {path}; expected an SSD .tflite with four outputs")
    interpreter, _, device = open_interpreter(path, path.read_bytes(), threads, device)
    taken = [(d["shape"].tolist(), np.dtype(d["dtype"])) for d in interpreter.get_input_details()]
    given = [d["shape"].tolist() for d in interpreter.get_output_details()]
    if len(taken) != 1 or len(taken[0][0]) != 4 or taken[0][1] != np.uint8 or tuple(map(len, given)) not in ORDERS:
        raise ModelError(
            f"{path} takes {taken} and gives {given}, expected one uint8 picture and boxes, classes, scores, count"
        )
    return interpreter, device
