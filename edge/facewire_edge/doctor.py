"""The verb ``doctor``: what this machine has, what does not fit, and the command that mends it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from facewire_edge.camera import list_cameras, open_camera
from facewire_edge.config import EdgeConfig
from facewire_edge.errors import FacewireError, HardwareError, ModelError
from facewire_edge.interpreter import find_runtime, load_model

OPENCV_AT_LEAST = (4, 8)  # YuNet's format and the cleaned-up video back ends


@dataclass(frozen=True, slots=True)
class Check:
    """Hold what one look found."""

    name: str
    found: str
    ok: bool = True
    remedy: str = ""
    kind: str = "software"  # or camera


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default=EdgeConfig().model)
    parser.add_argument("--detector", default=EdgeConfig().detector)
    parser.add_argument("--input", help="open this camera and read one frame")


def run(arguments: argparse.Namespace) -> None:
    """Print what was found.

    Raises:
        ModelError: software or a model does not fit.
        HardwareError: the camera that was asked for does not answer.

    """
    checks = examine(Path(arguments.model), Path(arguments.detector), arguments.input)
    if arguments.json:
        print(json.dumps([asdict(c) for c in checks], indent=1))
    else:
        print("\n".join(_line(c) for c in checks))
    bad = [c for c in checks if not c.ok]
    if any(c.kind == "software" for c in bad):
        raise ModelError(f"{len(bad)} of {len(checks)} checks failed; the lines above say what mends them")
    if bad:
        raise HardwareError("the camera does not answer; the lines above say what mends it")


def examine(model: Path, detector: Path, camera: str | None) -> list[Check]:
    """Look at everything; no look ends the others."""
    looks: list[Callable[[], Check]] = [
        _python,
        _bits,
        _opencv,
        _runtime,
        _numpy,
        lambda: _model("landmark model", model, "landmarks"),
        lambda: _model("detector", detector, "detector"),
        _cameras,
    ]
    if camera is not None:
        looks.append(lambda: _camera(camera))
    return [look() for look in looks]


def _line(check: Check) -> str:
    text = f"{'ok ' if check.ok else 'BAD'}  {check.name:15s} {check.found}"
    return f"{text}\n     {'':15s} {check.remedy}" if check.remedy else text


def _python() -> Check:
    ok = sys.version_info >= (3, 11)
    return Check(
        "Python", platform.python_version(), ok, "" if ok else "expected 3.11 or newer: Pi OS Bookworm or Trixie"
    )


def _bits() -> Check:
    bits = 8 * struct.calcsize("P")
    remedy = "" if bits == 64 else "expected 64 bits: install the 64-bit Pi OS (no runtime exists for 32)"
    return Check("system", f"{platform.machine()}, {bits} bits", bits == 64, remedy)


def _opencv() -> Check:
    try:
        version = import_module("cv2").__version__
    except ImportError as error:
        return Check("OpenCV", f"cannot be imported: {error}", False, "pip install 'facewire[edge]'")
    ok = tuple(int(part) for part in version.split(".")[:2]) >= OPENCV_AT_LEAST
    return Check("OpenCV", version, ok, "" if ok else "expected 4.8 or newer: pip install 'facewire[edge]'")


def _runtime() -> Check:
    try:
        return Check("runtime", find_runtime()[0])
    except ModelError as error:
        return Check("runtime", str(error), False, "pip install ai-edge-litert")


def _numpy() -> Check:
    """Look for the two ways in which NumPy 2 breaks what was built on NumPy 1."""
    two = int(np.__version__.split(".")[0]) >= 2
    remedy = ""
    if two and _installed("tflite_runtime") and not _installed("ai_edge_litert"):
        remedy = "tflite-runtime was built on NumPy 1: pip install 'numpy<2', or pip install ai-edge-litert"
    elif two and platform.machine() == "aarch64" and sys.version_info[:2] == (3, 11) and _installed("picamera2"):
        remedy = "Bookworm's picamera2 was built on NumPy 1: pip install 'numpy<2' 'opencv-python-headless<4.12'"
    return Check("NumPy", np.__version__, not remedy, remedy)


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _model(name: str, path: Path, kind: str) -> Check:
    """Load a model and run it once on grey."""
    try:
        model = load_model(path, kind)
        size = model.card.input
        model.run(np.full((size.height, size.width, 3), 127, np.uint8))
    except FacewireError as error:
        return Check(name, str(error), False, "copy the file again, or name another with --model and --detector")
    return Check(name, f"{model.card.title}, {size.width}x{size.height}, runs on {model.runtime}")


def _cameras() -> Check:
    """List the cameras; none is not a fault, for files can be read without one."""
    found = list_cameras()
    denied = [c["input"] for c in found if c["input"].startswith("/dev/") and not os.access(c["input"], os.R_OK)]
    if denied:
        return Check("cameras", f"{denied[0]} may not be read", True, "sudo usermod -aG video $USER, then log in again")
    return Check("cameras", ", ".join(f"{c['input']} ({c['name']})" for c in found) or "none found")


def _camera(spec: str) -> Check:
    try:
        camera = open_camera(spec)
        try:
            frame = camera.read()
        finally:
            camera.close()
    except FacewireError as error:
        return Check("camera", str(error), False, "see `facewire-edge cameras`", "camera")
    if frame is None:
        return Check("camera", f"{spec} gives no frame", False, "see `facewire-edge cameras`", "camera")
    return Check("camera", f"{spec} gives {frame.image.shape[1]}x{frame.image.shape[0]}", kind="camera")
