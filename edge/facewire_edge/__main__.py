"""The command ``facewire-edge``: run, draw, inspect, doctor, bench, config, cameras."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from facewire_edge.addresses import KNOWN
from facewire_edge.config import PREVIEWS, EdgeConfig, check, load_config
from facewire_edge.errors import INTERRUPTED_EXIT, run_command

PROG = "facewire-edge"
RUN = "run"
VERBS = {  # module, help; each has add_arguments(parser) and run(arguments)
    "draw": ("draw", "draw messages on their frames"),
    "inspect": ("inspect", "show a model's card, operations and tensors"),
    "doctor": ("doctor", "check what this machine has, and say what mends it"),
    "bench": ("bench", "measure the stages of the loop"),
    "config": ("config_check", "check a configuration file without running it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code: of a loop that is ended, 0."""
    words = sys.argv[1:] if argv is None else list(argv)
    verb = next((word for word in words if word in (RUN, "cameras", *VERBS)), RUN)
    return run_command(lambda: _run(words), PROG, 0 if verb == RUN else INTERRUPTED_EXIT)


def _run(argv: list[str]) -> None:
    arguments = _parser(argv).parse_args(argv)
    level = getattr(logging, arguments.log_level.upper())
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    arguments.run(arguments)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Declare all verbs, but import only the one that is called: the others would cost the loop's start 0.1 s."""
    parser = argparse.ArgumentParser(prog=PROG, description="Find faces and stream their landmarks.")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _run_arguments(verbs.add_parser(RUN, help="camera in, messages out"))
    for verb, (name, text) in VERBS.items():
        subparser = verbs.add_parser(verb, help=text)
        if verb in argv:
            module = import_module(f"facewire_edge.{name}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    cameras = verbs.add_parser("cameras", help="list the cameras of this machine")
    cameras.add_argument("--json", action="store_true")
    cameras.set_defaults(run=_list_cameras)
    return parser


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare a flag for each setting; a flag that is not given leaves the file's or the default value."""
    parser.set_defaults(run=_run_loop)
    parser.add_argument("--config", type=Path, help="TOML; see edge/facewire.toml")
    parser.add_argument("--input", help="rpi, usb, usb:N, /dev/videoN, rtsp://..., FILE, FOLDER, - or replay")
    parser.add_argument("--model", help="landmark model (.tflite); default: the shipped one")
    parser.add_argument("--detector", help="detector (.tflite); default: the shipped one")
    parser.add_argument("--sink", action="append", help=f"{KNOWN}; repeatable")
    parser.add_argument("--max-faces", type=int, help="the largest faces are kept (5)")
    parser.add_argument("--detect-every", type=int, help="frames from one search to the next (10)")
    score = "of a detection, 0 to 1; default: the card's, and 3/10 of it where the landmark model is certain"
    parser.add_argument("--min-score", type=float, help=score)
    parser.add_argument("--min-presence", type=float, help="of a new face (later half), 0 to 1; default: the card's")
    parser.add_argument("--realtime", action="store_true", default=None, help="pace a file like a camera")
    parser.add_argument("--no-smooth", dest="smooth", action="store_false", default=None, help="publish raw landmarks")
    parser.add_argument("--pose", action="store_true", default=None, help="add yaw, pitch and roll of each head")
    blink = "add how far eyes and mouth are open, and whether the eyes are closed"
    parser.add_argument("--blink", action="store_true", default=None, help=blink)
    uncertainty = "add how far off each landmark is expected to be, where the model tells it"
    parser.add_argument("--uncertainty", action="store_true", default=None, help=uncertainty)
    parser.add_argument("--frames", type=int, help="stop after this many messages of faces")
    parser.add_argument("--raw", metavar="WxH@FPS", help="size and rate of raw RGB24 frames on standard input")
    parser.add_argument("--width", type=int, help="asked of the camera")
    parser.add_argument("--height", type=int, help="asked of the camera")
    parser.add_argument("--fps", type=float, help="asked of the camera")
    parser.add_argument("--threads", type=int, help="of each model (1)")
    parser.add_argument("--device", help="where the models run: cpu, usb, usb:N, pci or pci:N (cpu)")
    required = "end with 3 where the device is missing, instead of taking the CPU"
    parser.add_argument("--device-required", action="store_true", default=None, help=required)
    parser.add_argument("--source", help="name of this camera in the messages (cam0)")
    waiting = "wait for a camera that is absent at the start, instead of ending with 3"
    parser.add_argument("--wait-camera", action="store_true", default=None, help=waiting)
    parser.add_argument("--preview", nargs="?", const=PREVIEWS[0], choices=PREVIEWS, help="show pictures on ws://")


def _run_loop(arguments: argparse.Namespace) -> None:
    from facewire_edge.pipeline import run

    run(resolve(arguments))


def resolve(arguments: argparse.Namespace) -> EdgeConfig:
    """Give the configuration that file and flags make together.

    Raises:
        UsageError: see :func:`facewire_edge.config.check`.

    """
    flags = {f.name: getattr(arguments, f.name, None) for f in fields(EdgeConfig)}
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in flags.items() if v is not None}
    return check(replace(load_config(arguments.config), **given), arguments.config)


def _list_cameras(arguments: argparse.Namespace) -> None:
    from facewire_edge.camera import list_cameras

    found = list_cameras()
    if arguments.json:
        print(json.dumps(found))
        return
    for camera in found:
        print(*camera.values(), sep="\t")
    if not found:
        print("no camera found; plug one in, or check the ribbon cable and `rpicam-hello --list-cameras`")


if __name__ == "__main__":
    sys.exit(main())
