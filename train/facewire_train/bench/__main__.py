"""Compare facewire's loop with MediaPipe's FaceMesh: ``python -m facewire_train.bench``, or ``make bench``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from facewire_edge.camera import REPLAY
from facewire_edge.errors import UsageError, run_command
from facewire_edge.files import write_text

from facewire_train.bench.compare import check_clip, compare
from facewire_train.bench.environment import prepare
from facewire_train.bench.side import WARM_UP
from facewire_train.bench.table import table

PROG = "facewire-bench"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    return run_command(lambda: _run(argv), PROG)


def _run(argv: Sequence[str] | None) -> None:
    arguments = _parser().parse_args(argv)
    if arguments.frames <= WARM_UP or arguments.rounds < 1:
        raise UsageError(f"--frames must be above {WARM_UP}, the warm-up, and --rounds 1 or more")
    check_clip(arguments.clip)
    report = compare(arguments.clip, prepare(arguments.environment), arguments.frames, arguments.rounds)
    print(table(report))
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(report, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROG, description="Compare facewire's loop with MediaPipe's FaceMesh.")
    parser.add_argument("--clip", type=Path, default=REPLAY, help="a video; default: the packaged one")
    parser.add_argument("--frames", type=int, default=2000, help="at most (2000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side; medians are told (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--environment", type=Path, default=Path(".venv-mediapipe"), help="MediaPipe's own")
    return parser


if __name__ == "__main__":
    sys.exit(main())
