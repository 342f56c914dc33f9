"""The configuration of the edge daemon: flags over file over defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facewire_edge.delegate import check_device
from facewire_edge.errors import UsageError
from facewire_edge.settings import load_settings

MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Hold all settings of ``facewire-edge run``; each is a flag and a key of the TOML file."""

    input: str = "usb"
    model: str = str(MODELS / "landmarks68_int8.tflite")
    detector: str = str(MODELS / "face_int8.tflite")
    sink: tuple[str, ...] = ("stdout",)
    max_faces: int = 5
    detect_every: int = 10
    min_score: float | None = None  # default: what the detector's card recommends
    min_presence: float | None = None  # default: what the landmark model's card recommends
    realtime: bool = False
    smooth: bool = True
    frames: int | None = None
    raw: str | None = None  # WIDTHxHEIGHT@FPS of `--input -`
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    threads: int = 1
    device: str = "cpu"  # or the Edge TPU: usb, usb:N, pci, pci:N
    device_required: bool = False  # end with 3 where it is missing
    source: str = "cam0"
    wait_camera: bool = False  # begin without the camera


def load_config(path: Path | None) -> EdgeConfig:
    """Give the defaults, or what a TOML file makes of them.

    Raises:
        UsageError: the file cannot be read or a key or value in it cannot be meant.

    """
    return EdgeConfig() if path is None else load_settings(EdgeConfig, path)


def check(config: EdgeConfig) -> EdgeConfig:
    """Refuse values that cannot be meant.

    Raises:
        UsageError: with one line that names the setting.

    """
    for name in ("max_faces", "detect_every", "threads", "frames", "width", "height"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise UsageError(f"{name} must be 1 or more, got {value}")
    for name in ("min_score", "min_presence"):
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"{name} must be between 0 and 1, got {value}")
    if config.fps is not None and config.fps <= 0:
        raise UsageError(f"fps must be above 0, got {config.fps}")
    check_device(config.device)
    if not config.sink:
        raise UsageError("sink is empty; expected at least one of stdout, jsonl:FILE, udp://HOST:PORT")
    return config
