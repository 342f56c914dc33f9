"""The configuration of the edge daemon: flags over file over defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from math import inf
from pathlib import Path

from facewire_edge.access import check_access
from facewire_edge.addresses import KNOWN, Address, file_of, parse_sink
from facewire_edge.delegate import check_device
from facewire_edge.errors import UsageError
from facewire_edge.settings import load_settings

MODELS = Path(__file__).parent / "models"
SHIPPED_SUFFIX = "_int8.tflite"

PREVIEWS = ("plain", "blurred")
MOST_CLIENTS, MOST_FILES = 10_000, 1_000  # of a server, of a rotation: each file is looked for
MOST_THREADS = 256  # more than any board has cores; the runtime would make them


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Hold what a long-running sink needs to know: the table ``[stream]`` of the TOML file, which has no flags."""

    token_file: str | None = None  # of the server ws://; or the environment variable FACEWIRE_TOKEN
    tls_certificate: str | None = None  # PEM; of the server ws://
    tls_key: str | None = None
    max_clients: int = 32
    max_file_mb: float | None = None  # of jsonl, then a new file is begun; default: never
    keep_files: int = 5  # finished files of jsonl
    mqtt_landmarks_hz: float = 10.0  # 0: none


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Hold all settings of ``facewire-edge run``; each but ``stream`` is a flag and a key of the TOML file."""

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
    pose: bool = False  # add yaw, pitch and roll
    blink: bool = False  # add how far eyes and mouth are open, and blink
    uncertainty: bool = False  # add how far off each landmark is expected to be
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
    preview: str | None = None  # plain or blurred pictures from the server ws://; default: none leaves the board
    stream: StreamConfig = field(default_factory=StreamConfig)


def load_config(path: Path | None) -> EdgeConfig:
    """Give the defaults, or what a TOML file makes of them.

    Raises:
        UsageError: the file cannot be read or a key or value in it cannot be meant.

    """
    return EdgeConfig() if path is None else load_settings(EdgeConfig, path)


def model_path(text: str) -> str:
    """Give the file of a model; a bare name such as ``face_far`` is one that ships with facewire.

    Raises:
        UsageError: no model of that name ships.

    """
    if "/" in text or "." in text or Path(text).is_file():
        return text
    path = MODELS / f"{text}{SHIPPED_SUFFIX}"
    if not path.is_file():
        names = ", ".join(sorted(p.name.removesuffix(SHIPPED_SUFFIX) for p in MODELS.glob(f"*{SHIPPED_SUFFIX}")))
        raise UsageError(f"no model {text!r}; expected a .tflite file, or one that ships with facewire: {names}")
    return str(path)


def check(config: EdgeConfig, file: Path | None = None) -> EdgeConfig:
    """Refuse values that cannot be meant; give the configuration with its models' files.

    Args:
        config: to check.
        file: from which it was read, if it was.

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
    if config.threads > MOST_THREADS:
        raise UsageError(f"threads must be {MOST_THREADS} or less, got {config.threads}")
    if config.fps is not None and not 0 < config.fps < inf:
        raise UsageError(f"fps must be above 0, got {config.fps}")
    check_device(config.device)
    if not config.sink:
        raise UsageError(f"sink is empty; expected at least one of {KNOWN}")
    if config.preview not in (None, *PREVIEWS):
        raise UsageError(f"preview must be one of {', '.join(PREVIEWS)}, got {config.preview!r}")
    _check_text(config)
    _check_text(config.stream)
    _check_stream(config)
    _check_files(config, [parse_sink(spec) for spec in config.sink], file)
    return replace(config, model=model_path(config.model), detector=model_path(config.detector))


def _check_text(settings: EdgeConfig | StreamConfig) -> None:
    for f in fields(settings):
        if "\0" in str(getattr(settings, f.name)):
            raise UsageError(f"{f.name} holds a zero character; no file or name can have one")


def _check_stream(config: EdgeConfig) -> None:
    stream, addresses = config.stream, [parse_sink(spec) for spec in config.sink]
    for name, most in (("max_clients", MOST_CLIENTS), ("keep_files", MOST_FILES)):
        if not 1 <= getattr(stream, name) <= most:
            raise UsageError(f"stream.{name} must be 1 to {most}, got {getattr(stream, name)}")
    if stream.max_file_mb is not None and not 0 < stream.max_file_mb < inf:
        raise UsageError(f"stream.max_file_mb must be above 0, got {stream.max_file_mb}")
    if not 0 <= stream.mqtt_landmarks_hz < inf:
        raise UsageError(f"stream.mqtt_landmarks_hz must be 0 or more, got {stream.mqtt_landmarks_hz}")
    if (stream.tls_certificate is None) != (stream.tls_key is None):
        raise UsageError("stream.tls_certificate and stream.tls_key belong together, got one of them; name both")
    if config.preview and all(address.kind != "ws" for address in addresses):
        raise UsageError("preview needs a server to show it; add --sink ws://127.0.0.1:8080")
    for address in addresses:
        check_access(address, stream.token_file)


def _check_files(config: EdgeConfig, addresses: Sequence[Address], file: Path | None) -> None:
    """Refuse a sink that would write into what is read, or two that write into one file."""
    stream = config.stream
    secrets = (stream.token_file, stream.tls_certificate, stream.tls_key)
    read = [Path(name) for name in (config.input, config.model, config.detector, *secrets, file) if name]
    written = [file_of(address) for address in addresses if address.kind == "jsonl"]
    pairs = [(sink, other) for sink in written for other in read]
    for first, second in combinations(written, 2):
        pairs += [(first, second), (second, first)]
    for sink, other in pairs:
        if _would_write(sink, other, rotates=stream.max_file_mb is not None):
            raise UsageError(f"{sink} is named twice, as a sink and as {other}; choose another file for the sink")


def _would_write(sink: Path, other: Path, *, rotates: bool) -> bool:
    """Say whether a ``jsonl`` sink writes into a file, under its own name or under one that finished files get."""
    if sink.exists() and not sink.is_file():  # /dev/null
        return False
    name, written = os.path.realpath(other), os.path.realpath(sink)
    return name == written or (
        rotates and name.startswith(written) and re.fullmatch(r"\.(new|\d+)", name[len(written) :]) is not None
    )
