"""The verb ``config check``: whether a run with a configuration file would begin, without beginning it."""

from __future__ import annotations

import argparse
from pathlib import Path

from facewire_edge.access import load_access
from facewire_edge.addresses import Address, hide_password, parse_sink
from facewire_edge.camera import check_input
from facewire_edge.card import require_uncertainty
from facewire_edge.config import EdgeConfig, check, load_config
from facewire_edge.delegate import CPU, is_compiled
from facewire_edge.detectors import has_card, open_detector
from facewire_edge.interpreter import open_model, read_card_of
from facewire_edge.publish import STREAMS, import_stream
from facewire_edge.tls import load_tls


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("action", choices=("check",))
    parser.add_argument("file", type=Path, help="TOML; see edge/facewire.toml")


def run(arguments: argparse.Namespace) -> None:
    """Print one line if all is well.

    Raises:
        UsageError: a key, a value, a token, a certificate or a library is missing or cannot be meant.
        ModelError: a model file is missing or damaged.
        DataError: the input is a file or a folder that is not there.

    """
    config = check(load_config(arguments.file))
    check_input(config.input, config.raw)
    addresses = [parse_sink(spec) for spec in config.sink]
    for address in addresses:
        _check_sink(address, config)
    models = [_detector_title(config), _title(Path(config.model), "landmarks", config, config.uncertainty)]
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
        return _title(path, "detector", config)
    if not (path.is_file() and _is_for_the_stick(path.read_bytes(), config)):
        open_detector(path, config.min_score, config.threads)
    return path.name


def _is_for_the_stick(flatbuffer: bytes, config: EdgeConfig) -> bool:
    """Say whether only the Edge TPU can tell if a model runs, which is left alone: a service may hold it."""
    return config.device != CPU and is_compiled(flatbuffer)


def _title(path: Path, kind: str, config: EdgeConfig, uncertainty: bool = False) -> str:
    card, flatbuffer = read_card_of(kind, path)
    if not _is_for_the_stick(flatbuffer, config):
        open_model(path, kind, config.threads)
    if uncertainty:
        require_uncertainty(card, str(path))
    return card.title
