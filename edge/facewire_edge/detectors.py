"""Choose the detector by the file that is named."""

from __future__ import annotations

from pathlib import Path

from facewire_edge.delegate import CPU
from facewire_edge.detect import FaceDetector, Int8Detector
from facewire_edge.interpreter import load_model
from facewire_edge.opencv import require_opencv

SSD_MARK = "_postprocess"  # Coral's name for models whose last operation decodes and suppresses


def has_card(path: Path) -> bool:
    """Say whether a detector's file must be one of ours, and not a YuNet or a Coral SSD."""
    return path.suffix != ".onnx" and SSD_MARK not in path.name


def open_detector(
    path: Path, min_score: float | None = None, threads: int = 1, device: str = CPU, *, faint: bool = False
) -> FaceDetector:
    """Open ours (``.tflite`` with a card), a YuNet (``.onnx``) or a Coral SSD (``*_postprocess*.tflite``).

    Args:
        path: of the model.
        min_score: threshold; None for what the card, or the kind of model, recommends.
        threads: of the runtime.
        device: cpu, or the Edge TPU to use; see :func:`facewire_edge.interpreter.load_model`.
        faint: let ours also give what is below its threshold; see :class:`facewire_edge.detect.Int8Detector`.

    Raises:
        ModelError: the file is missing, foreign or cannot be run, or there is no runtime or no OpenCV.
        HardwareError: the Edge TPU is not there.

    """
    require_opencv()
    if has_card(path):
        return Int8Detector(load_model(path, "detector", threads, device), min_score, faint=faint)
    if path.suffix == ".onnx":
        from facewire_edge.yunet import YuNetDetector

        return YuNetDetector(path, min_score)
    from facewire_edge.ssd import SsdDetector

    return SsdDetector(path, min_score, threads, device)
