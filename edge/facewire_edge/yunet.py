"""Find faces with a YuNet ONNX file of one's own, through OpenCV's FaceDetectorYN (OpenCV 4.8 or later)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from facewire_edge.delegate import CPU
from facewire_edge.errors import ModelError
from facewire_edge.files import opencv_name
from facewire_edge.geometry import Box
from facewire_edge.types import Detection, Image

MIN_SCORE = 0.7  # OpenCV's samples use 0.9, which misses most turned heads; its own default is 0.6
NMS_IOU = 0.3  # FaceDetectorYN's default
MAX_CANDIDATES = 400
LONGEST_PX = 640  # larger frames are shrunk: faces below 10 px of 640 are noise to it


class YuNetDetector:
    """Hold an OpenCV face detector.

    Source: Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"; rows as in OpenCV's ``FaceDetectorYN``.
    """

    def __init__(self, path: Path, min_score: float | None = None) -> None:
        self.device = CPU
        self._detector = _open(path, MIN_SCORE if min_score is None else min_score)

    def __call__(self, image: Image) -> list[Detection]:
        """Give the detections in frame pixels, best first."""
        import cv2

        scale = min(1.0, LONGEST_PX / max(image.shape[:2]))
        if scale < 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        self._detector.setInputSize((image.shape[1], image.shape[0]))
        _, rows = self._detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        found = [] if rows is None else [_detection(row, scale) for row in rows]
        return sorted(found, key=lambda d: -d.score)


def _open(path: Path, min_score: float) -> Any:
    import cv2

    if not path.is_file():
        raise ModelError(f"no detector {path}; expected a YuNet .onnx file")
    try:
        return cv2.FaceDetectorYN.create(opencv_name(path), "", (320, 320), min_score, NMS_IOU, MAX_CANDIDATES)
    except (cv2.error, AttributeError) as error:  # AttributeError: OpenCV before 4.5.4
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"OpenCV cannot load {path} as YuNet: {reason}; run: facewire-edge doctor") from error


def _detection(row: Any, scale: float) -> Detection:
    """Decode x, y, width, height, five points in our order, score; pixel edges become pixel centres."""
    values = np.asarray(row, np.float32)
    x, y, width, height = (values[:4] / scale).tolist()
    points = (values[4:14].reshape(5, 2) / scale - 0.5).astype(np.float32)
    return Detection(Box(x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5), float(values[14]), points)
