"""The command ``facewire-train``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from math import inf
from pathlib import Path

from facewire_edge.errors import UsageError, run_command

PROG = "facewire-train"
NEEDED = ("tensorflow", "keras", "cv2", "matplotlib", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    return run_command(lambda: _run(argv), PROG)


def _run(argv: Sequence[str] | None) -> None:
    arguments = _parser().parse_args(argv)
    level = getattr(logging, arguments.log_level.upper())
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing and not ("tensorflow" in missing and len(missing) == 1):  # Keras also trains on JAX and PyTorch
        raise UsageError(f"{', '.join(missing)} not installed; run: pip install 'facewire[train]'")
    # TensorFlow uses oneDNN by itself only where the CPU has AVX-512 VNNI. With AVX2 a step of the shipped landmark
    # model takes 12.9 instead of 18.1 ms of CPU time an image (TensorFlow 2.21, 2026-11-21). Read at its import.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    module = import_module(f"facewire_train.{arguments.module}")
    module.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROG, description="Train and measure face landmark models and detectors.")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _fit_arguments(verbs.add_parser("fit", help="train a model; resumes an interrupted run, skips a finished one"))
    _fill_arguments(verbs.add_parser("fill", help="pseudo-labels: a trained model fills in what is not labelled"))
    _average_arguments(
        verbs.add_parser("average", help="runs of one network: one model with the mean of their weights")
    )
    _compare_arguments(verbs.add_parser("compare", help="runs side by side: what differs, what came of it"))
    _evaluate_arguments(verbs.add_parser("evaluate", help="measure a .keras or .tflite on labelled faces"))
    _fetch_arguments(verbs.add_parser("fetch", help="a public set, its terms first, into a folder"))
    _import_arguments(verbs.add_parser("import", help="labelled faces of any known format to the native one"))
    _inspect_arguments(verbs.add_parser("inspect-data", help="one page that shows what is in a labelled set"))
    _render_arguments(verbs.add_parser("render", help="render synthetic faces with exact landmarks"))
    return parser


def _fit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="train_command")
    parser.add_argument("--config", type=Path, required=True, help="TOML; see train/configs/")
    parser.add_argument("--data", type=Path, action="append", default=[], help="folder; repeatable; default: rendered")
    parser.add_argument("--out", type=Path, help="run folder; default: runs/<name>-<fingerprint>")
    parser.add_argument(
        "--init",
        metavar="KERAS|shipped[:NAME]",
        help="start from the weights of this .keras, or of one that ships with facewire, where the shapes agree",
    )
    parser.add_argument(
        "--folds", type=_folds, metavar="K", help="cross-validate: K runs, each holds other people back; 2 or more"
    )


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="evaluate_command")
    parser.add_argument(
        "--model", type=Path, action="append", required=True, help=".keras or .tflite made by facewire; repeatable"
    )
    parser.add_argument(
        "--peer", type=Path, action="append", default=[], metavar="JSON", help="another model's predictions; repeatable"
    )
    parser.add_argument("--data", type=Path, action="append", required=True, help="folder; repeatable")
    parser.add_argument("--task", choices=("landmarks", "detection"), help="refuse a model for another task")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--boxes", default="truth", choices=("truth", "truth5", "detector"))
    parser.add_argument("--detector", type=Path, help="detector .tflite for --boxes detector; default: the shipped one")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--report", type=Path, help="draw the worst faces and the error curve into this folder")
    parser.add_argument("--page", type=_html, metavar="HTML", help="one page with all models side by side")


def _fetch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fetch a public set: show its terms, ask, download, go on where an earlier attempt was cut, check, unpack. "
        "Where nobody published a checksum, the one seen first is recorded in the folder and expected the next time. "
        "What no command can fetch is told, with exit code 2."
    )
    parser.set_defaults(module="fetch_command")
    parser.add_argument("name", nargs="?", help="of the set; see --list")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to fill; default: data/NAME")
    parser.add_argument("--yes", action="store_true", help="accept the terms without being asked")
    parser.add_argument("--list", action="store_true", help="print the sets that are known")


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="import_command")
    parser.add_argument("source", type=Path, metavar="FOLDER[:FORMAT]", help="native, pts, wflw, mtfl, kaggle, coco")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--terms", help="terms of the set; they end up in every model trained on it")
    parser.add_argument("--skip-broken", action="store_true", help="leave out what cannot be meant instead of ending")


def _inspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="inspect_command")
    parser.add_argument("source", type=Path, metavar="FOLDER[:FORMAT]", help="labelled faces")
    parser.add_argument("--out", type=_html, required=True, metavar="HTML", help="page to write")


def _render_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="render")
    parser.add_argument("--count", type=int, help="images (default: 3000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, help="side of an image in pixels (default: 160)")
    parser.add_argument("--faces", type=int, metavar="N", help="1 to N faces in an image (default: 1)")
    parser.add_argument("--out", type=Path, required=True, help="folder, or FILE.mp4 with --clip")
    parser.add_argument("--clip", type=int, metavar="FRAMES", help="render one moving person as a clip instead")


def _fill_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="fill_command")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        action="append",
        help=".keras or .tflite trained on what is labelled; repeatable: what several see is averaged",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER[:FORMAT]", help="incomplete labels")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, in the native format")
    parser.add_argument(
        "--page", type=_html, metavar="HTML", help="one page on which the filled points can be reviewed"
    )
    parser.add_argument(
        "--max-spread",
        type=_fraction,
        default=0.3,
        metavar="FRACTION",
        help="of the crop: a point of which the model is less sure stays unlabelled (default: 0.3)",
    )


def _average_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="average_command")
    parser.add_argument("--model", type=Path, required=True, action="append", metavar="KERAS", help="two or more")
    parser.add_argument("--out", type=Path, required=True, metavar="KERAS", help="file to write")


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="compare_command")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders that fit wrote")
    parser.add_argument("--page", type=_html, metavar="HTML", help="one page with tables and curves")


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def _html(text: str) -> Path:
    if not text.endswith((".html", ".htm")):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .html, got {text}")
    return Path(text)


def _folds(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"expected 2 or more, got {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
