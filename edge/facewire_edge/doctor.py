"""The verb ``doctor``: what this machine has, what does not fit, and the command that mends it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import struct
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from facewire_edge.addresses import hide_password
from facewire_edge.camera import is_live, list_cameras, open_camera
from facewire_edge.config import EdgeConfig, model_path
from facewire_edge.detect import Int8Detector
from facewire_edge.detectors import open_detector
from facewire_edge.errors import FacewireError, HardwareError, ModelError, RuntimeMissingError
from facewire_edge.interpreter import find_runtime, load_model
from facewire_edge.machine import device_name
from facewire_edge.opencv import INSTALL_OPENCV, require_opencv
from facewire_edge.throttle import read_board
from facewire_edge.types import Image
from facewire_edge.webcam import DEFAULT_SIZE

PYTHON_AT_LEAST = (3, 11)  # of Pi OS Bookworm, the oldest that is supported
BOOKWORM_PYTHON = (3, 11)
OPENCV_AT_LEAST = (4, 8)  # YuNet's format and the cleaned-up video back ends
STREAM_LIBRARIES = ("aiohttp", "paho.mqtt", "prometheus_client", "pythonosc")
SEE_CAMERAS = "facewire-edge cameras"
ANOTHER_MODEL = "copy the file again, or name another with --model and --detector"


@dataclass(frozen=True, slots=True)
class Check:
    """Hold what one look found."""

    name: str
    found: str
    ok: bool = True
    problem: str = ""  # of a check that holds: a note
    remedy: str = ""  # most often a command
    kind: str = "software"  # or camera


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default=EdgeConfig().model)
    parser.add_argument("--detector", default=EdgeConfig().detector)
    parser.add_argument("--input", help="open this camera or file and read one frame")


def run(arguments: argparse.Namespace) -> None:
    """Print what was found.

    Raises:
        ModelError: software or a model does not fit.
        HardwareError: the camera that was asked for does not answer.

    """
    checks = examine(Path(model_path(arguments.model)), Path(model_path(arguments.detector)), arguments.input)
    if arguments.json:
        print(json.dumps([asdict(c) for c in checks], indent=1))
    else:
        print("\n".join(_line(c) for c in checks))
    bad = [c for c in checks if not c.ok]
    if any(c.kind == "software" for c in bad):
        raise ModelError(f"{len(bad)} of {len(checks)} checks failed; the lines above say what mends them")
    if bad:
        raise HardwareError("the input gives no frame; the lines above say what mends it")


def examine(model: Path, detector: Path, camera: str | None) -> list[Check]:
    """Look at everything; no look ends the others."""
    looks: list[Callable[[], Check]] = [
        _python,
        _bits,
        _opencv,
        _runtime,
        _numpy,
        lambda: _landmark_model(model),
        lambda: _detector(detector),
        _streams,
        _board,
        _picamera,
        _cameras,
    ]
    if camera is not None:
        looks.append(lambda: _camera(camera))
    return [look() for look in looks]


def _line(check: Check) -> str:
    lines = [f"{'ok ' if check.ok else 'BAD'}  {check.name:15s} {check.found}"]
    lines += [f"     {'':15s} {text}" for text in (check.problem, check.remedy) if text]
    return "\n".join(lines)


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info >= PYTHON_AT_LEAST:
        return Check("Python", found)
    return Check("Python", found, False, "expected 3.11 or newer", "install Pi OS Bookworm or Trixie")


def _bits() -> Check:
    bits = 8 * struct.calcsize("P")
    found = f"{platform.machine()}, {bits} bits"
    if bits == 64:
        return Check("system", found)
    return Check("system", found, False, "expected 64 bits: no runtime exists for 32", "install the 64-bit Pi OS")


def _opencv() -> Check:
    try:
        found = require_opencv()
    except RuntimeMissingError as error:
        return Check("OpenCV", "none", False, str(error))
    if tuple(int(part) for part in found.split(".")[:2]) >= OPENCV_AT_LEAST:
        return Check("OpenCV", found)
    return Check("OpenCV", found, False, "expected 4.8 or newer", INSTALL_OPENCV)


def _runtime() -> Check:
    try:
        return Check("runtime", find_runtime()[0])
    except ModelError as error:
        return Check("runtime", "none", False, str(error), "pip install ai-edge-litert")


def _numpy() -> Check:
    """Look for the two ways in which NumPy 2 breaks what was built on NumPy 1."""
    found = np.__version__
    if int(found.split(".")[0]) < 2:
        return Check("NumPy", found)
    if _runtime().found == "tflite-runtime":
        problem = "tflite-runtime was built on NumPy 1 and dies on NumPy 2"
        return Check("NumPy", found, False, problem, "pip install 'numpy<2', or pip install ai-edge-litert")
    if platform.machine() == "aarch64" and sys.version_info[:2] == BOOKWORM_PYTHON and find_spec("picamera2"):
        problem = "Bookworm's picamera2 was built on NumPy 1 and dies on NumPy 2"
        return Check("NumPy", found, False, problem, "pip install 'numpy<2' 'opencv-python-headless<4.12'")
    return Check("NumPy", found)


def _landmark_model(path: Path) -> Check:
    """Load a landmark model and run it once on grey."""
    try:
        model = load_model(path, "landmarks")
        size = model.card.input
        model.run(_grey(size.width, size.height))
    except RuntimeMissingError as error:
        return Check("landmark model", "none", False, str(error))
    except FacewireError as error:
        return Check("landmark model", "none", False, str(error), ANOTHER_MODEL)
    return Check("landmark model", f"{model.card.title}, {size.width}x{size.height}, runs on {model.runtime}")


def _detector(path: Path) -> Check:
    """Open a detector as the loop does and run it once on grey."""
    try:
        detector = open_detector(path)
        detector(_grey(*DEFAULT_SIZE))
    except RuntimeMissingError as error:
        return Check("detector", "none", False, str(error))
    except FacewireError as error:
        return Check("detector", "none", False, str(error), ANOTHER_MODEL)
    title = detector.card.title if isinstance(detector, Int8Detector) else path.name
    return Check("detector", f"{title}, runs on {detector.device}")


def _grey(width: int, height: int) -> Image:
    return np.full((height, width, 3), 127, np.uint8)


def _streams() -> Check:
    """Look for the libraries of the sinks ws, mqtt and osc; the others need none, so their absence is a note."""
    missing = [name for name in STREAM_LIBRARIES if find_spec(name.partition(".")[0]) is None]
    if not missing:
        return Check("streams", "ws, mqtt and osc")
    problem = f"ws, mqtt and osc will not all work: no {', '.join(missing)}"
    return Check("streams", "stdout, jsonl and udp", True, problem, "pip install 'facewire[stream]'")


def _board() -> Check:
    """Look at heat and power; both pass, so what is wrong now is a note."""
    reading = read_board()
    found = "no sensor" if reading.temperature_c is None else f"{reading.temperature_c:.0f} degrees"
    flags = [name for name, is_set in reading.throttled().items() if is_set]
    if not flags:
        return Check("board", found)
    remedy = "a stronger power supply" if flags[0] == "under-voltage" else "a heat sink or a fan"
    return Check("board", found, True, f"the firmware reports {', '.join(flags)}", remedy)


def _picamera() -> Check:
    """Look for picamera2; without it all but ``--input rpi`` works, so its absence is a note."""
    try:
        picamera2 = import_module("picamera2")
    except (ImportError, ValueError) as error:  # ValueError: built on NumPy 1, found NumPy 2
        if not device_name().startswith("Raspberry Pi"):
            return Check("picamera2", "none; only a Raspberry Pi has it")
        remedy = "sudo apt install python3-picamera2; python3 -m venv --system-site-packages .venv"
        return Check("picamera2", "none", True, f"--input rpi will not work: {error}", remedy)
    return Check("picamera2", str(picamera2.__file__))


def _cameras() -> Check:
    """List the cameras; none is not a fault, for files can be read without one."""
    found = list_cameras()
    listed = ", ".join(f"{c['input']} ({c['name']})" for c in found) or "none found"
    nodes = [c["input"] for c in found if c["input"].startswith("/dev/")]
    denied = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if not denied:
        return Check("cameras", listed)
    problem = f"{denied[0]} may not be opened by this user"
    return Check("cameras", listed, True, problem, "sudo usermod -aG video $USER, then log in again")


def _camera(spec: str) -> Check:
    """Read one frame of the camera that was asked for."""
    name, remedy = hide_password(spec), SEE_CAMERAS if is_live(spec) else ""
    try:
        with closing(open_camera(spec)) as camera:
            frame = camera.read()
    except RuntimeMissingError as error:
        return Check("input", name, False, str(error))
    except FacewireError as error:
        return Check("input", name, False, str(error), remedy, "camera")
    if frame is None:
        return Check("input", name, False, "gives no frame", remedy, "camera")
    return Check("input", f"{name} gives {frame.image.shape[1]}x{frame.image.shape[0]}", kind="camera")
