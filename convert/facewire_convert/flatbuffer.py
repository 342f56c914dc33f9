"""Read what a TFLite flatbuffer says of its operations and tensors, without a runtime."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from facewire_edge.errors import ModelError

IDENTIFIER = b"TFL3"
# What the generated readers raise on a file that is cut off or is something else behind a right identifier.
BROKEN = (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError)


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


OPERATORS = _names(schema.BuiltinOperator)
TYPES = _names(schema.TensorType)


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """Describe one tensor."""

    index: int
    name: str
    shape: tuple[int, ...]  # -1 where the size is not fixed
    type: str  # "INT8", "FLOAT32", ...
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    data: bytes  # of a constant, else empty

    @property
    def constant(self) -> bool:
        """Say whether the tensor's values are in the file."""
        return bool(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """Describe one operation, in the order of execution."""

    number: int
    name: str  # "CONV_2D", ...; of a custom operation its own
    version: int
    inputs: tuple[Tensor, ...]  # optional ones that are absent are left out
    outputs: tuple[Tensor, ...]
    options: Any  # of the generated object API, None where there are none


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Describe the first subgraph of a model."""

    operations: tuple[Operation, ...]
    outputs: dict[str, Tensor]  # by the name that the exported Keras model gave them
    input: Tensor
    subgraphs: int

    def producer(self, tensor: Tensor) -> Operation | None:
        """Give the operation that writes ``tensor``."""
        return next((o for o in self.operations if any(t.index == tensor.index for t in o.outputs)), None)


def read_graph(flatbuffer: bytes, where: str) -> Graph:
    """Read the first subgraph of a TFLite flatbuffer.

    Raises:
        ModelError: it is none, or it is cut off.

    """
    if flatbuffer[4:8] != IDENTIFIER:
        raise ModelError(f"{where} is no TFLite model: expected the identifier TFL3, got {flatbuffer[4:8]!r}")
    try:
        return _graph(schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer, 0)))
    except BROKEN as error:
        raise ModelError(f"{where} is a broken TFLite model ({error}); copy or convert it again") from error


def _graph(model: Any) -> Graph:
    subgraph = model.subgraphs[0]
    tensors = [_tensor(i, t, model.buffers) for i, t in enumerate(subgraph.tensors)]
    operations = tuple(_operations(model, tensors))
    signature = model.signatureDefs[0].outputs if model.signatureDefs else []
    outputs = {entry.name.decode(): tensors[entry.tensorIndex] for entry in signature}
    return Graph(operations, outputs, tensors[subgraph.inputs[0]], len(model.subgraphs))


def _operations(model: Any, tensors: list[Tensor]) -> Iterator[Operation]:
    for number, operator in enumerate(model.subgraphs[0].operators):
        code = model.operatorCodes[operator.opcodeIndex]
        # Codes up to 127 live in the old one-byte field, larger ones in the new field.
        name = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if name == "CUSTOM" and code.customCode:
            name = code.customCode.decode()
        inputs = tuple(tensors[i] for i in _integers(operator.inputs) if i >= 0)
        outputs = tuple(tensors[i] for i in _integers(operator.outputs))
        yield Operation(number, name, code.version, inputs, outputs, operator.builtinOptions)


def _tensor(index: int, tensor: Any, buffers: Any) -> Tensor:
    quantization = tensor.quantization
    signature = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    data = buffers[tensor.buffer].data
    return Tensor(
        index,
        tensor.name.decode(),
        _integers(signature),
        TYPES[tensor.type],
        () if quantization is None or quantization.scale is None else tuple(float(s) for s in quantization.scale),
        () if quantization is None else _integers(quantization.zeroPoint),
        b"" if data is None else bytes(data),
    )


def _integers(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in values)
