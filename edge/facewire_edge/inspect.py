"""The verb ``inspect``: what a model file holds."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from facewire_edge.card import ModelCard, card_to_json, read_card
from facewire_edge.config import model_path
from facewire_edge.delegate import is_compiled
from facewire_edge.interpreter import Details, details_unrun, load_model

UNKNOWN = "?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", help="a .tflite made by facewire, or the name of a shipped one")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> None:
    """Print the card, the operations and the tensors at the border.

    Raises:
        ModelError: the file is missing, foreign, cut off, or contradicts its card.

    """
    path = Path(model_path(arguments.model))
    found = describe(path)
    card, _ = read_card(path)
    print(json.dumps(found, indent=1) if arguments.json else _text(card, found))


def describe(path: Path) -> dict[str, Any]:
    """Give card, operations (name, version, count), inputs and outputs of a model file as JSON values."""
    card, flatbuffer = read_card(path)
    runtime, (inputs, outputs, operations) = _details(path, flatbuffer)
    counts = Counter(_versioned(flatbuffer) or _unversioned(operations))
    return {
        "runtime": runtime,
        "card": json.loads(card_to_json(card)),
        "operations": [{"name": n, "version": v, "count": counts[n, v]} for n, v in sorted(counts, key=str)],
        "inputs": [_tensor(d) for d in inputs],
        "outputs": [_tensor(d) for d in outputs],
    }


def _details(path: Path, flatbuffer: bytes) -> tuple[str, Details]:
    """Give the runtime's description; what is compiled for the Edge TPU is only read: no stick is needed."""
    if is_compiled(flatbuffer):
        return details_unrun(path, flatbuffer)
    model = load_model(path)
    return model.runtime, model.details()


def _unversioned(operations: list[dict[str, Any]]) -> list[tuple[str, int | str]]:
    """Give the operations that the runtime tells of; the delegate that took them over is none of the model's."""
    return [(str(op["op_name"]), UNKNOWN) for op in operations if op["op_name"] != "DELEGATE"]


def _versioned(flatbuffer: bytes) -> list[tuple[str, int | str]] | None:
    """Give the operations with their versions; None where the flatbuffer's schema is not installed (tflite-runtime)."""
    try:
        schema = import_module("ai_edge_litert.schema_py_generated")
    except ImportError:
        return None
    return list(_operators(schema, flatbuffer))


def _operators(schema: Any, flatbuffer: bytes) -> Iterator[tuple[str, int | str]]:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    for i in range(graph.OperatorsLength()):
        code = model.OperatorCodes(graph.Operators(i).OpcodeIndex())
        # Codes up to 127 live in the old one-byte field, larger ones in the new field.
        name = names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), UNKNOWN)
        yield code.CustomCode().decode() if name == "CUSTOM" else name, code.Version()


def _tensor(details: dict[str, Any]) -> dict[str, Any]:
    scale, zero_point = details["quantization"]
    return {
        "name": str(details["name"]),
        "shape": details["shape"].tolist(),
        "type": np.dtype(details["dtype"]).name,
        "scale": float(scale),
        "zero_point": int(zero_point),
    }


def _text(card: ModelCard, found: dict[str, Any]) -> str:
    lines = [f"{name:9s} {value}" for name, value in _card_rows(card)]
    lines.append(f"runtime   {found['runtime']}")
    lines += [f"op        {op['count']:3d} x {op['name']} version {op['version']}" for op in found["operations"]]
    for border in ("inputs", "outputs"):
        for t in found[border]:
            coding = f"scale {t['scale']:.6g} zero point {t['zero_point']}"
            lines.append(f"{border[:-1]:9s} {t['name']} {t['shape']} {t['type']} {coding}")
    return "\n".join(lines)


def _card_rows(card: ModelCard) -> Iterator[tuple[str, object]]:
    yield "model", f"{card.title}, {card.kind}, card format {card.format}, made by facewire {card.version or UNKNOWN}"
    yield "picture", f"{card.input.width}x{card.input.height} uint8 RGB"
    yield "schema", f"{card.schema.name}, {card.schema.n} points" if card.schema else "none"
    yield "threshold", f"score {card.min_score}" if card.kind == "detector" else f"presence {card.min_presence}"
    for name, spec in card.outputs.items():
        yield "card", f"{name} = {spec.tensor} {list(spec.shape)}"
    yield "metrics", json.dumps(card.metrics)
    for source in card.data:
        yield "data", f"{source.get('name', UNKNOWN)}: {source.get('terms', UNKNOWN)}"
    yield "terms", card.terms or UNKNOWN
    yield "sha256", card.sha256
    yield "float", card.float_sha256 or UNKNOWN
