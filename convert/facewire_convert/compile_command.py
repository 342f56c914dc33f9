"""The verb ``compile``: int8 models in, Edge TPU models out, together so that they share its memory."""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from facewire_edge.card import ModelCard, attach_card, read_card
from facewire_edge.errors import GateError, ModelError, RuntimeMissingError, UsageError
from facewire_edge.files import replacing

from facewire_convert.edgetpu import check, table

log = logging.getLogger(__name__)

COMPILER = "edgetpu_compiler"
SUFFIX = "_edgetpu.tflite"  # what the compiler calls its results


def run(arguments: argparse.Namespace) -> None:
    """Check the operations, compile the models together, put their cards back, lay the models beside the results.

    Models compiled in one call share the 8 MB of an Edge TPU; compiled apart they evict each other at every frame.

    Raises:
        UsageError: two files have one name.
        ModelError: a file is missing, foreign, or the compiler refuses it.
        GateError: an operation does not map.
        RuntimeMissingError: the compiler is not installed; the message says what to run elsewhere.

    """
    _refuse_twins(arguments.models)
    cards = [read_card(path) for path in arguments.models]
    for path, (_, flatbuffer) in zip(arguments.models, cards, strict=True):
        mapping = check(flatbuffer, str(path))
        print(table(mapping))
        if mapping.findings:
            raise GateError(f"{path}: {mapping.operations - mapping.mapped} operations would stay on the CPU")
    if shutil.which(COMPILER) is None:
        models = [*map(str, arguments.models)]
        again = shlex.join(["facewire-convert", "compile", "--out", str(arguments.out), *models])
        called = shlex.join([COMPILER, "-s", "-o", str(arguments.out), *models])
        raise RuntimeMissingError(
            f"{COMPILER} is not installed (Coral's edgetpu-compiler, Debian on x86-64 only); the operations map. "
            f"Where it is, run: {again} -- it calls {called} and puts back the cards, which the compiler drops"
        )
    _compile(arguments.models, cards, arguments.out)


def _refuse_twins(paths: Sequence[Path]) -> None:
    """Refuse files of one name: their results would be one file."""
    names = [path.name for path in paths]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise UsageError(f"two models are called {twins[0]}; results are named after them: rename one")


def _compile(paths: Sequence[Path], models: Sequence[tuple[ModelCard, bytes]], out: Path) -> None:
    """Compile what the files hold without their cards, which the compiler would drop, and attach these again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, (_, flatbuffer) in zip(paths, models, strict=True):
            (folder / path.name).write_bytes(flatbuffer)
        command = [COMPILER, "-s", "-o", name, *(str(folder / path.name) for path in paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        log.info("%s", done.stdout.strip())
        for path, (card, _) in zip(paths, models, strict=True):
            compiled = folder / f"{path.stem}{SUFFIX}"
            if done.returncode or not compiled.is_file():
                reason = (done.stderr or done.stdout).strip().splitlines()
                raise ModelError(f"{COMPILER} refuses {path}: {reason[-1] if reason else done.returncode}")
            final = attach_card(compiled.read_bytes(), card, out / compiled.name)
            log.info("%s: %s", out / compiled.name, final.title)
            _lay_beside(path, out)


def _lay_beside(source: Path, out: Path) -> None:
    """Copy what was compiled to its result: the CPU runs it where the stick is away."""
    copy = out / source.name
    if copy.resolve() != source.resolve():
        with replacing(copy) as temporary:
            shutil.copyfile(source, temporary)
