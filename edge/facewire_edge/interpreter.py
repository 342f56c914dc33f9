"""Run a model file: choose the runtime, check the tensors against the card, dequantise at the border."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewire_edge.card import ModelCard, read_card
from facewire_edge.delegate import CPU, is_compiled, load_edgetpu
from facewire_edge.errors import ModelCardError, ModelError, RuntimeMissingError

log = logging.getLogger(__name__)

# In this order: ai-edge-litert needs 3.5x fewer instructions for int8 on a Cortex-A76 than tflite-runtime 2.14.
RUNTIMES = (
    ("ai-edge-litert", "ai_edge_litert.interpreter", "Interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter", "Interpreter"),
    ("tensorflow", "tensorflow", "lite.Interpreter"),
)
COMPILED_SUFFIX = "_edgetpu"  # that edgetpu_compiler appends to a file's name
SCALE_TOLERANCE = 1e-4  # relative; a card's scale is rounded by JSON at most to 1e-6


Details = tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]  # of inputs, outputs, operations


@dataclass(frozen=True, slots=True)
class _Output:
    index: int
    scale: np.float32
    zero_point: np.float32


class Model:
    """Hold a loaded model; one call runs one uint8 RGB picture through it."""

    def __init__(self, interpreter: Any, card: ModelCard, runtime: str, device: str = CPU) -> None:
        self.card = card
        self.runtime = runtime
        self.device = device
        self._interpreter = interpreter
        self._input = _checked_input(interpreter, card)
        self._outputs = _checked_outputs(interpreter, card)

    def run(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run (height, width, 3) uint8 RGB of the card's size; give each output by name, dequantised.

        Raises:
            ModelError: the image has another shape or type.

        """
        spec = self.card.input
        if image.shape != (spec.height, spec.width, 3) or image.dtype != np.uint8:
            raise ModelError(
                f"model {self.card.name} expects {spec.width}x{spec.height} uint8 RGB, got {image.shape} {image.dtype}"
            )
        self._interpreter.set_tensor(self._input, image[np.newaxis])
        self._interpreter.invoke()
        return {name: self._dequantised(output) for name, output in self._outputs.items()}

    def details(self) -> Details:
        """Give the runtime's own description of inputs, outputs and operations."""
        return _details(self._interpreter)

    def _dequantised(self, output: _Output) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._interpreter.get_tensor(output.index)[0] - output.zero_point
        values *= output.scale
        return values


def load_model(path: Path, kind: str | None = None, threads: int = 1, device: str = CPU) -> Model:
    """Load a model file, checked against its card.

    Args:
        path: a ``.tflite`` with a facewire card. Where the CPU must run one that was compiled for the Edge TPU
            (``NAME_edgetpu.tflite``), the file that it was made from (``NAME.tflite``) is taken if it lies beside it.
        kind: refuse a model of another kind ("landmarks" or "detector").
        threads: of the runtime.
        device: cpu, or the Edge TPU to use: usb, usb:N, pci, pci:N; a model that is not compiled runs on the CPU.

    Raises:
        ModelError: the file is missing, foreign, of another kind, or cannot be run; :class:`ModelCardError`
            where the card contradicts the tensors; :class:`RuntimeMissingError` without a runtime.
        HardwareError: the Edge TPU is not there.

    """
    model, taken = open_model(path, kind, threads, device)
    log.info("model %s (%s) runs on %s, %s", model.card.title, taken, model.runtime, model.device)
    return model


def open_model(path: Path, kind: str | None = None, threads: int = 1, device: str = CPU) -> tuple[Model, Path]:
    """Give the model and the file that was taken, and say nothing of it in the log; see :func:`load_model`."""
    card, flatbuffer = read_card_of(kind, path)
    if device == CPU and is_compiled(flatbuffer):
        return open_model(_source_of(path), kind, threads)
    interpreter, runtime, device = open_interpreter(path, flatbuffer, threads, device)
    return Model(interpreter, card, runtime, device), path


def read_card_of(kind: str | None, path: Path) -> tuple[ModelCard, bytes]:
    """Give card and flatbuffer of a model file; refuse one of another kind, if a kind is named."""
    card, flatbuffer = read_card(path)
    if kind is not None and card.kind != kind:
        raise ModelError(f"{path} is a {card.kind} model, expected a {kind} model")
    return card, flatbuffer


def open_interpreter(path: Path, flatbuffer: bytes, threads: int, device: str) -> tuple[Any, str, str]:
    """Give the interpreter of a flatbuffer, the name of the runtime, and the device that will run it.

    Raises:
        ModelError: the runtime cannot run it; :class:`RuntimeMissingError` without a runtime.
        HardwareError: the Edge TPU is not there.

    """
    runtime, interpreter_class = find_runtime()
    delegates = [] if device == CPU else [load_edgetpu(device, runtime)]
    if delegates and not is_compiled(flatbuffer):
        log.warning("%s is not compiled for the Edge TPU and runs on the CPU; run: facewire-convert compile", path)
        delegates, device = [], CPU
    try:
        extra = {"experimental_delegates": delegates} if delegates else {}
        interpreter = interpreter_class(model_content=flatbuffer, num_threads=threads, **extra)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError, SystemError) as error:  # SystemError: tflite-runtime 2.14 on NumPy 2
        reason = " ".join(str(error).split())  # tflite-runtime's ends with a new line
        raise ModelError(f"{runtime} cannot run {path}: {reason}; run: facewire-edge doctor") from error
    return interpreter, runtime, device


def details_unrun(path: Path, flatbuffer: bytes) -> tuple[str, Details]:
    """Give the runtime and its description of a model that it cannot run: one that is compiled for the Edge TPU.

    Raises:
        ModelError: the runtime cannot read it; :class:`RuntimeMissingError` without a runtime.

    """
    runtime, interpreter_class = find_runtime()
    try:
        return runtime, _details(interpreter_class(model_content=flatbuffer))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{runtime} cannot read {path}: {' '.join(str(error).split())}") from error


def _details(interpreter: Any) -> Details:
    return interpreter.get_input_details(), interpreter.get_output_details(), interpreter._get_ops_details()


def _source_of(path: Path) -> Path:
    """Give the file from which a model was compiled for the Edge TPU."""
    source = path.with_name(path.name.replace(COMPILED_SUFFIX, ""))
    if source == path or not source.is_file():
        place = "in its place" if source == path else f"beside it as {source.name}"
        raise ModelError(
            f"{path} is compiled for the Edge TPU and cannot run on the CPU; give it a stick (--device usb), or put "
            f"the file that edgetpu_compiler was given {place}"
        )
    return source


def find_runtime() -> tuple[str, Callable[..., Any]]:
    """Give the name and the interpreter class of the first runtime that can be imported.

    Raises:
        RuntimeMissingError: there is none; the message says why each was refused.

    """
    reasons = []
    for name, module, attribute in RUNTIMES:
        try:
            found: Any = import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, SystemError) as error:
            reasons.append(f"{name}: {error}")
        else:
            return name, found
    raise RuntimeMissingError(f"no TFLite runtime ({'; '.join(reasons)}); run: pip install ai-edge-litert")


def _checked_input(interpreter: Any, card: ModelCard) -> int:
    details = interpreter.get_input_details()
    spec = card.input
    expected = [1, spec.height, spec.width, 3]
    if len(details) != 1 or details[0]["shape"].tolist() != expected or details[0]["dtype"] != np.uint8:
        found = [(d["shape"].tolist(), np.dtype(d["dtype"]).name) for d in details]
        raise ModelCardError(f"model {card.name}: the card says input {expected} uint8, the tensors are {found}")
    scale, zero_point = details[0]["quantization"]
    if abs(scale / spec.scale - 1) > SCALE_TOLERANCE or zero_point != spec.zero_point:
        raise ModelCardError(
            f"model {card.name}: the input must have scale {spec.scale:.6f} and zero point {spec.zero_point}, "
            f"the tensor has {scale:.6f} and {zero_point}; raw pixels would be misread: convert it again"
        )
    return int(details[0]["index"])


def _checked_outputs(interpreter: Any, card: ModelCard) -> dict[str, _Output]:
    details = {d["name"]: d for d in interpreter.get_output_details()}
    outputs = {}
    for name, spec in card.outputs.items():
        found = details.get(spec.tensor)
        if found is None:
            raise ModelCardError(
                f"model {card.name}: no output tensor {spec.tensor!r} for {name!r}, got {sorted(details)}"
            )
        if tuple(found["shape"].tolist()) != spec.shape:
            shape = tuple(found["shape"].tolist())
            raise ModelCardError(f"model {card.name}: output {name!r} has shape {shape}, the card says {spec.shape}")
        scale, zero_point = found["quantization"]
        if np.dtype(found["dtype"]).kind == "f":
            scale, zero_point = 1.0, 0
        outputs[name] = _Output(int(found["index"]), np.float32(scale), np.float32(zero_point))
    return outputs
