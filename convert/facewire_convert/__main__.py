"""The command ``facewire-convert``: quantise with a gate, check for the Edge TPU."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from pathlib import Path

from facewire_edge.errors import UsageError, run_command

PROG = "facewire-convert"
NEEDED = {
    "quantize": ("tensorflow", "keras", "ai_edge_litert", "cv2", "matplotlib"),
    "select": ("tensorflow", "keras", "cv2"),
    "check": ("ai_edge_litert",),
    "compile": ("ai_edge_litert",),
}
MAX_RELATIVE_LOSS = 0.02
LARGEST_PX = 2048


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    return run_command(lambda: _run(argv), PROG)


def _run(argv: Sequence[str] | None) -> None:
    arguments = _parser().parse_args(argv)
    level = getattr(logging, arguments.log_level.upper())
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("tensorflow").setLevel(max(level, logging.WARNING))  # it tells where it keeps temporary files
    missing = [name for name in NEEDED[arguments.verb] if find_spec(name) is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} not installed; run: pip install 'facewire[train]'")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported
    import_module(f"facewire_convert.{arguments.verb}_command").run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROG, description="Quantise a trained model to int8 and prove it.")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    _quantize_arguments(verbs.add_parser("quantize", help="float .keras to int8 .tflite, through the parity gate"))
    _select_arguments(verbs.add_parser("select", help="draw a representative calibration set from labelled faces"))
    _check_arguments(verbs.add_parser("check", help="predict what of a .tflite maps to the Edge TPU"))
    _compile_arguments(verbs.add_parser("compile", help="compile models together for the Edge TPU"))
    return parser


def _quantize_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help=".keras made by facewire-train")
    parser.add_argument("--calibration", type=Path, required=True, help="labelled set, or a folder of images")
    parser.add_argument(
        "--gate-data", type=Path, action="append", required=True, help="labelled set, other images; repeatable"
    )
    parser.add_argument("--out", type=_tflite, required=True, help=".tflite to write when the gate holds")
    parser.add_argument("--report", type=Path, help="folder of the report; default: beside --out")
    parser.add_argument("--size", type=_size, metavar="WIDTHxHEIGHT", help="another input size for a detector")
    dropped = "leave out the output that tells how far off each landmark is expected to be"
    parser.add_argument("--no-uncertainty", dest="uncertainty", action="store_false", help=dropped)
    parser.add_argument(
        "--max-relative-loss",
        type=_loss,
        default=MAX_RELATIVE_LOSS,
        metavar="FRACTION",
        help=f"how much worse int8 may be, relative to float (default: {MAX_RELATIVE_LOSS})",
    )


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _compile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.tflite")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for NAME_edgetpu.tflite; default: here")


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT, got {text}")
    if max(int(width), int(height)) > LARGEST_PX:
        raise argparse.ArgumentTypeError(f"expected at most {LARGEST_PX} pixels a side, got {text}")
    return int(width), int(height)


def _select_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help=".keras made by facewire-train")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER[:FORMAT]", help="labelled set to draw from")
    parser.add_argument("--count", type=_count, default=200, help="faces to choose (default: 200)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, for quantize --calibration")
    parser.add_argument("--against", type=Path, help="say what this set lacks, for instance calibration_data")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return int(text)


def _tflite(text: str) -> Path:
    if not text.endswith(".tflite"):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .tflite, got {text}")
    return Path(text)


def _loss(text: str) -> float:
    value = float(text)
    if not isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"expected a fraction from 0 on, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
