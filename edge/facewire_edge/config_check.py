"""The verb ``config check``: whether a run with a configuration file would begin, without beginning it."""

from __future__ import annotations

import argparse
from pathlib import Path

from facewire_edge.access import load_access
from facewire_edge.addresses import Address, hide_password, parse_sink
from facewire_edge.camera import check_input
from facewire_edge.card import ModelCard, require_uncertainty
from facewire_edge.config import EdgeConfig, check, load_config
from facewire_edge.delegate import CPU, is_compiled, require_compiled
from facewire_edge.detectors import has_card, open_detector
from facewire_edge.interpreter import open_model, read_card_of
from facewire_edge.opencv import require_opencv
from facewire_edge.openness import FaceOpenness
from facewire_edge.pose import HeadPose
from facewire_edge.publish import STREAMS, import_stream
from facewire_edge.tls import load_tls


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("action", choices=("check",))
    parser.add_argument("file", type=Path, help="TOML; see edge/facewire.toml")


def run(arguments: argparse.Namespace) -> None:
    """Print one line if all is well.

    Raises:
        UsageError: a key, a value, a token, a certificate or a library is missing or cannot be meant, or the model's
            landmarks do not have what is asked for.
        ModelError: a model file is missing or damaged, or there is no runtime or no OpenCV.
        DataError: the input is a file or a folder that is not there or is empty.

    """
    require_opencv()
    config = check(load_config(arguments.file), arguments.file)
    check_input(config.input, config.raw)
    addresses = [parse_sink(spec) for spec in config.sink]
    for address in addresses:
        _check_sink(address, config)
    models = [_detector_title(config), _landmarks_title(config)]
    line = f"{hide_password(config.input)} -> {', '.join(map(str, addresses))}; models {', '.join(models)}"
    print(f"{arguments.file}: ok; {line}")


def _check_sink(address: Address, config: EdgeConfig) -> None:
    """Look at what opening the sink needs, without touching a socket or a file that is written to."""
    if address.kind in STREAMS:
        import_stream(address)
    if address.kind == "ws":
        load_access(address, config.stream.token_file)
        load_tls(config.stream.tls_certificate, config.stream.tls_key)


def _detector_title(config: EdgeConfig) -> str:
    """Name the detector; one without a card tells only when it is opened whether it is one."""
    path = Path(config.detector)
    if has_card(path):
        return _read(path, "detector", config).title
    if not (path.is_file() and _is_for_the_stick(path, path.read_bytes(), config)):
        open_detector(path, config.min_score, config.threads)
    return path.name


def _landmarks_title(config: EdgeConfig) -> str:
    """Name the landmark model, if it can give what is asked for."""
    card = _read(Path(config.model), "landmarks", config)
    assert card.schema is not None  # of a landmark model
    if config.uncertainty:
        require_uncertainty(card, config.model)
    if config.pose:
        HeadPose(card.schema)
    if config.blink:
        FaceOpenness(card.schema)
    return card.title


def _read(path: Path, kind: str, config: EdgeConfig) -> ModelCard:
    """Give the card of a model that can be run."""
    card, flatbuffer = read_card_of(kind, path)
    if not _is_for_the_stick(path, flatbuffer, config):
        open_model(path, kind, config.threads)
    return card


def _is_for_the_stick(path: Path, flatbuffer: bytes, config: EdgeConfig) -> bool:
    """Say whether only the Edge TPU can tell if a model runs, which is left alone: a service may hold it."""
    if config.device == CPU:
        return False
    compiled = is_compiled(flatbuffer)
    require_compiled(str(path), compiled or not config.device_required)
    return compiled
