"""The float checkpoints that ship with the package, to fine-tune from."""

from __future__ import annotations

from pathlib import Path

from facewire_edge.errors import UsageError

WORD = "shipped"
DEFAULTS = {"landmarks": "landmarks68", "detector": "face"}
FOLDER = Path(__file__).parent / "models"


def initial_checkpoint(text: str, kind: str) -> Path:
    """Give the checkpoint that ``--init`` names: a file, ``shipped``, or ``shipped:NAME``.

    Raises:
        UsageError: no such model ships.

    """
    word, _, name = text.partition(":")
    if word != WORD:
        return Path(text)
    path = FOLDER / f"{name or DEFAULTS[kind]}.keras"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in FOLDER.glob("*.keras")))
        raise UsageError(f"--init {text}: no such model ships with facewire; there are: {names}")
    return path
