"""The verb ``inspect``: what a model file holds."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from facewire_edge.card import ModelCard, card_to_json
from facewire_edge.interpreter import Model, load_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", type=Path, help="a .tflite made by facewire")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> None:
    """Print the card, the operations and the tensors at the border."""
    model = load_model(arguments.model)
    found = describe(model)
    print(json.dumps(found, indent=1) if arguments.json else _text(model.card, found))


def describe(model: Model) -> dict[str, Any]:
    """Give card, operations (name -> count), inputs and outputs as JSON values."""
    inputs, outputs, operations = model.details()
    return {
        "runtime": model.runtime,
        "card": json.loads(card_to_json(model.card)),
        "operations": dict(Counter(str(op["op_name"]) for op in operations if op["op_name"] != "DELEGATE")),
        "inputs": [_tensor(d) for d in inputs],
        "outputs": [_tensor(d) for d in outputs],
    }


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
    lines = [
        f"{card.title}  {card.kind}, card format {card.format}, made by facewire {card.version}",
        f"input     {card.input.width}x{card.input.height} uint8 RGB",
        f"schema    {card.schema.name}, {card.schema.n} points" if card.schema else "schema    none (detector)",
        f"threshold {card.min_score if card.kind == 'detector' else card.min_presence}",
        f"metrics   {json.dumps(card.metrics)}",
        f"data      {', '.join(d['name'] for d in card.data)}",
        f"terms     {card.terms}",
        f"sha256    {card.sha256}",
        f"float     {card.float_sha256}",
        f"runtime   {found['runtime']}",
    ]
    lines += [f"op        {count:3d} x {name}" for name, count in sorted(found["operations"].items())]
    for border in ("inputs", "outputs"):
        for t in found[border]:
            coding = f"scale {t['scale']:.6g} zero point {t['zero_point']}"
            lines.append(f"{border[:-1]:9s} {t['name']} {t['shape']} {t['type']} {coding}")
    return "\n".join(lines)
