"""The verb ``check``: a table of what does not map to the Edge TPU."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from facewire_edge.errors import GateError, ModelError

from facewire_convert.edgetpu import check, table


def run(arguments: argparse.Namespace) -> None:
    """Print the table or JSON on stdout.

    Raises:
        ModelError: the file is missing or is no TFLite model.
        GateError: something does not map.

    """
    mapping = check(_read(arguments.model), str(arguments.model))
    print(json.dumps({"model": str(arguments.model), **mapping.to_dict()}) if arguments.json else table(mapping))
    if mapping.findings:
        left = mapping.operations - mapping.mapped
        raise GateError(f"{arguments.model}: {left} of {mapping.operations} operations stay on the CPU")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror}; expected a .tflite") from error
