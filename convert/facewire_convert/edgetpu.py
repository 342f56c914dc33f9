"""Predict which operations of a model the Edge TPU takes, without its compiler.

The compiler (16.0.384591198, 2021, x86 only) puts all operations before the first that it cannot map on the Edge TPU;
that one and everything behind it run on the CPU. Source of the rules: coral.ai, "TensorFlow models on the Edge TPU",
table of supported operations; Axis ARTPEC-7 guide; threads of google-coral/edgetpu by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facewire_convert.flatbuffer import Graph, Operation, Tensor, read_graph
from facewire_convert.output_layer import NO_ACTIVATION

COMPILER = "16.0"
# The operations that map, and the newest version of each that TensorFlow 2.5 knew, the release of the compiler's time.
# Source: tensorflow/lite/tools/versioning/runtime_version.cc. It agrees with what users saw refused: CONV_2D 6
# (edgetpu 631), TRANSPOSE_CONV 4 (845), QUANTIZE 3 (879).
NEWEST_VERSION = {
    "ADD": 3,
    "AVERAGE_POOL_2D": 3,
    "CONCATENATION": 3,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 9,
    "L2_NORMALIZATION": 2,
    "LOGISTIC": 3,
    "MAXIMUM": 4,
    "MAX_POOL_2D": 3,
    "MEAN": 3,
    "MINIMUM": 4,
    "MUL": 4,
    "PACK": 3,
    "PAD": 3,
    "PRELU": 1,
    "QUANTIZE": 2,
    "REDUCE_MAX": 3,
    "REDUCE_MIN": 3,
    "RELU": 3,
    "RELU6": 3,
    "RELU_N1_TO_1": 1,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 4,
    "RESIZE_NEAREST_NEIGHBOR": 4,
    "RSQRT": 2,
    "SLICE": 5,
    "SOFTMAX": 3,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 4,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 2,
    "STRIDED_SLICE": 5,
    "SUB": 5,
    "SUM": 2,
    "TANH": 3,
    "TRANSPOSE": 5,
    "TRANSPOSE_CONV": 3,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
}
UNKNOWN_REMEDY = {
    "HARD_SWISH": "use ReLU6 (a 'minimalistic' MobileNetV3)",
    "DEQUANTIZE": "convert with int8 outputs (`facewire-convert quantize` does)",
    "TILE": "use a resize layer instead of UpSampling2D(interpolation='nearest')",
    "GELU": "use ReLU6",
    "LEAKY_RELU": "use ReLU6 or PReLU with shared_axes=[1, 2]",
    "ELU": "use ReLU6",
    "DIV": "multiply by the reciprocal",
    "BATCH_MATMUL": "use a 1x1 convolution",
    "NEG": "fold the sign into the layer before it",
}
MAPPED_TYPES = ("INT8", "UINT8")
INNER_DIMENSIONS = 3  # only these may be larger than 1
MEAN_DEPTH_MULTIPLE = 4  # of a mean over channels
MEAN_MAX_CELLS = 256 * 128  # the smallest map whose mean is reported to fail (edgetpu 461)
SOFTMAX_MAX_ELEMENTS = 16_000
RESIZE_MAX_PX = 128  # maps to this side, fails at 256 (edgetpu 31, 187)
BATCH_AXIS = 0
DEFAULT_WEIGHTS = 0
# The converter's own tensor names, which say nothing of a layer, and the scopes of the network around its layers.
NAMELESS = ("PartitionedCall", "StatefulPartitionedCall", "serving_default", "tfl.", "arith.")
WRAPPERS = ("functional", "sequential", "model")

Problem = tuple[str, str]  # constraint, remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """Say why one operation does not map."""

    number: int  # in the order of execution
    operation: str
    layer: str
    constraint: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """Say what of a model maps."""

    operations: int
    mapped: int  # before the first that does not
    findings: tuple[Finding, ...]

    @property
    def summary(self) -> str:
        """Give one line for a human."""
        if not self.findings:
            return f"all {self.operations} operations map to the Edge TPU (predicted for compiler {COMPILER})"
        first = self.findings[0]
        return (
            f"the first {self.mapped} of {self.operations} operations map to the Edge TPU (predicted for compiler "
            f"{COMPILER}); the rest runs on the CPU: {first.operation} (number {first.number}) {first.constraint}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the mapping as JSON values."""
        return {"compiler": COMPILER, "summary": self.summary, **asdict(self)}


def check(flatbuffer: bytes, where: str) -> Mapping:
    """Check all operations of a TFLite flatbuffer.

    Raises:
        ModelError: it is none.

    """
    graph = read_graph(flatbuffer, where)
    findings = (*_graph_findings(graph), *(f for o in graph.operations for f in _findings(o)))
    mapped = findings[0].number if findings else len(graph.operations)
    return Mapping(len(graph.operations), mapped, findings)


def table(mapping: Mapping) -> str:
    """Lay the findings out as text, the summary last."""
    header = ("number", "operation", "layer", "constraint", "remedy")
    rows = [header, *((str(f.number), f.operation, f.layer, f.constraint, f.remedy) for f in mapping.findings)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*(lines if mapping.findings else []), mapping.summary])


def _graph_findings(graph: Graph) -> Iterator[Finding]:
    if graph.subgraphs > 1:
        constraint = f"has {graph.subgraphs} subgraphs, 1 maps"
        yield Finding(0, "the model", "", constraint, "take control flow (if, while) out of the network")


def _findings(operation: Operation) -> Iterator[Finding]:
    for constraint, remedy in _problems(operation):
        yield Finding(operation.number, operation.name, _layer(operation), constraint, remedy)


def _layer(operation: Operation) -> str:
    """Give the Keras layer's name out of the tensors': ``functional_1/stem_relu_1/Relu6;...`` is ``stem_relu_1``."""
    names = [t.name for t in (*operation.outputs, *(t for t in operation.inputs if t.constant))]
    own = [name for name in names if not name.startswith(NAMELESS)]
    parts = (own or names or [""])[0].split(";")[0].split("/")
    while len(parts) > 1 and parts[0].startswith(WRAPPERS):
        parts = parts[1:]
    return parts[0]


def _problems(operation: Operation) -> Iterator[Problem]:
    if operation.name not in NEWEST_VERSION:
        remedy = UNKNOWN_REMEDY.get(operation.name, "replace it, or move it behind the network on the CPU")
        yield "is not a supported operation", remedy
        return
    newest = NEWEST_VERSION[operation.name]
    if operation.version > newest:
        yield f"has version {operation.version}, newest known {newest}", "use a plainer form of the layer"
    for rule in (_sizes_are_fixed, _types_are_8_bit, _three_inner_dimensions):
        yield from rule(operation)
    yield from RULES.get(operation.name, _anything)(operation)


def _anything(_: Operation) -> Iterator[Problem]:
    return iter(())


def _activations(operation: Operation) -> tuple[Tensor, ...]:
    return (*(t for t in operation.inputs if not t.constant), *operation.outputs)


def _sizes_are_fixed(operation: Operation) -> Iterator[Problem]:
    for tensor in _activations(operation):
        if -1 in tensor.shape:
            yield (
                f"has a dynamic shape {list(tensor.shape)}",
                "build the model with Input(batch_size=1) and fixed sizes",
            )
            return


def _types_are_8_bit(operation: Operation) -> Iterator[Problem]:
    for tensor in _activations(operation):
        if tensor.type not in MAPPED_TYPES:
            yield f"works on {tensor.type}, expected INT8", "quantise the whole network, inputs and outputs too"
            return


def _three_inner_dimensions(operation: Operation) -> Iterator[Problem]:
    for tensor in _activations(operation):
        if any(size > 1 for size in tensor.shape[:-INNER_DIMENSIONS]):
            yield (
                f"has shape {list(tensor.shape)}, only the {INNER_DIMENSIONS} innermost may be larger than 1",
                "keep the batch at 1 and use layers on (height, width, channels)",
            )
            return


def _convolution(operation: Operation) -> Iterator[Problem]:
    options = operation.options
    if options.dilationWFactor != options.dilationHFactor:
        dilations = f"{options.dilationHFactor} and {options.dilationWFactor}"
        yield f"has dilations {dilations} in y and x", "use the same dilation in x and y"
    yield from _constant_weights(operation)


def _constant_weights(operation: Operation) -> Iterator[Problem]:
    if not operation.inputs[1].constant:
        yield "has weights that are computed, expected constants", "freeze the weights before the conversion"


def _dense(operation: Operation) -> Iterator[Problem]:
    weights, output = operation.inputs[1], operation.outputs[0]
    if len(weights.scales) > 1:
        yield (
            f"has a scale for each of its {len(weights.scales)} rows, expected 1",
            "convert without per-channel dense layers (`facewire-convert quantize` does), or use a 1x1 convolution",
        )
    if operation.options.weightsFormat != DEFAULT_WEIGHTS:
        yield "has shuffled weights", "convert with the default weight format"
    if any(size > 1 for size in output.shape[:-1]):
        yield f"has output {list(output.shape)}, expected one dimension", "flatten before it, or use a 1x1 convolution"
    yield from _constant_weights(operation)


def _no_activation(operation: Operation) -> Iterator[Problem]:
    if operation.options.fusedActivationFunction != NO_ACTIVATION:
        yield "has a fused activation", "put the activation behind the layer before it"


def _concatenation(operation: Operation) -> Iterator[Problem]:
    yield from _no_activation(operation)
    constants = [t for t in operation.inputs if t.constant]
    for tensor in constants:
        zero = tensor.zero_points[0] if tensor.zero_points else 0
        if len(operation.inputs) != 2 or (np.frombuffer(tensor.data, np.int8) != zero).any():
            yield "joins a constant that is not a plain padding with zeros", "add the constant behind the network"
            return


def _mean(operation: Operation) -> Iterator[Problem]:
    shape, axes = operation.inputs[0].shape, _axes(operation)
    if BATCH_AXIS in axes:
        yield "takes the mean over the batch", "reduce over height and width alone"
    channel = len(shape) - 1
    if channel in axes and shape[channel] % MEAN_DEPTH_MULTIPLE:
        yield (
            f"takes the mean over {shape[channel]} channels, expected a multiple of {MEAN_DEPTH_MULTIPLE}",
            "change the number of channels, or use a 1x1 convolution",
        )
    cells = int(np.prod([shape[a] for a in axes if a not in (BATCH_AXIS, channel)], dtype=np.int64))
    if cells >= MEAN_MAX_CELLS:
        yield f"takes the mean over {cells} cells, reported to fail from {MEAN_MAX_CELLS}", "reduce in two steps"


def _axes(operation: Operation) -> tuple[int, ...]:
    rank = len(operation.inputs[0].shape)
    return tuple(int(a) % rank for a in np.frombuffer(operation.inputs[1].data, np.int32))


def _softmax(operation: Operation) -> Iterator[Problem]:
    shape = operation.inputs[0].shape
    if any(size > 1 for size in shape[:-1]) or shape[-1] > SOFTMAX_MAX_ELEMENTS:
        yield (
            f"has input {list(shape)}, expected one dimension of at most {SOFTMAX_MAX_ELEMENTS}",
            "give out what goes into it and take the softmax on the CPU",
        )


def _resize(operation: Operation) -> Iterator[Problem]:
    shape = operation.outputs[0].shape
    if max(shape[1:-1]) > RESIZE_MAX_PX:
        yield (
            f"gives {shape[2]}x{shape[1]}, reported to map up to {RESIZE_MAX_PX}x{RESIZE_MAX_PX} alone",
            "resize on smaller maps, or resize on the CPU",
        )


def _pad(operation: Operation) -> Iterator[Problem]:
    paddings = np.frombuffer(operation.inputs[1].data, np.int32).reshape(-1, 2)
    if not operation.inputs[1].constant or paddings[BATCH_AXIS].any():
        yield "pads the batch", "pad height, width or channels"


def _strided_slice(operation: Operation) -> Iterator[Problem]:
    if (np.frombuffer(operation.inputs[3].data, np.int32) != 1).any() or not operation.inputs[3].constant:
        yield "has strides other than 1", "use a pooling layer or a strided convolution"


def _squeeze(operation: Operation) -> Iterator[Problem]:
    shape = operation.inputs[0].shape
    axes = [] if operation.options.squeezeDims is None else [int(a) % len(shape) for a in operation.options.squeezeDims]
    if any(size > 1 for size in shape[: max(axes, default=0)]):
        yield "removes a dimension that is not in front", "use a reshape layer"


def _pack(operation: Operation) -> Iterator[Problem]:
    if operation.options.axis == BATCH_AXIS:
        yield "stacks along the batch", "use a concatenation"


def _prelu(operation: Operation) -> Iterator[Problem]:
    alpha = operation.inputs[1]
    if any(size > 1 for size in alpha.shape[:-1]):
        yield f"has slopes of shape {list(alpha.shape)}, expected one a channel", "use PReLU(shared_axes=[1, 2])"


RULES: dict[str, Callable[[Operation], Iterator[Problem]]] = {
    "AVERAGE_POOL_2D": _no_activation,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _no_activation,
    "MEAN": _mean,
    "PACK": _pack,
    "PAD": _pad,
    "PRELU": _prelu,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SOFTMAX": _softmax,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
}
