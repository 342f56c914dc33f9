"""Turn a float checkpoint into a fully int8 TFLite flatbuffer whose ranges are known."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from facewire_edge.card import INPUT_SCALE, INPUT_ZERO_POINT, InputSpec, ModelCard, OutputSpec, expected_shapes
from facewire_edge.errors import ModelError
from facewire_train.checkpoint import Checkpoint
from facewire_train.evaluate import to_network
from numpy.typing import NDArray

from facewire_convert.bias import unbiased
from facewire_convert.equalise import awakened, balanced, equalised
from facewire_convert.flatbuffer import Graph, read_graph
from facewire_convert.output_layer import output_layer

SCALE_TOLERANCE = 1e-4  # relative; the converter's own is 1e-7
# Residuals to the mean shape, in crop units: 99.8 % of 300-W lie in +-0.287, the longest is 0.45 (300-W test, crops of
# the tight box x1.25). A step is then 0.27 % of the crop; a range that calibration chose from outliers doubles it.
LANDMARK_RANGE = 0.35
LEVELS = 255  # steps between the 256 values of int8


def quantize(checkpoint: Checkpoint, images: NDArray[np.uint8]) -> bytes:
    """Quantise a float model.

    Args:
        checkpoint: of a landmark model or a detector.
        images: (S, H, W, 3) uint8 RGB, the representative inputs; a black and a white one must be among them.

    Raises:
        ModelError: the converter refuses the network, or the result's input or outputs are not as the device wants.

    """
    landmarks = checkpoint.card.kind == "landmarks"
    model = awakened(checkpoint.model, images)
    model = equalised(balanced(model, images) if landmarks else model, images)
    flatbuffer = _convert(_fixed_batch(model, checkpoint.card.input), images)
    _check_input(read_graph(flatbuffer, str(checkpoint.path)))
    if landmarks:
        flatbuffer = hold_range(flatbuffer, "landmarks", LANDMARK_RANGE)
        flatbuffer = unbiased(flatbuffer, "landmarks", checkpoint, images)
    return flatbuffer


def without_output(checkpoint: Checkpoint, output: str) -> Checkpoint:
    """Give a checkpoint without one of its outputs, the same where it has none of that name."""
    if output not in checkpoint.card.outputs:
        return checkpoint
    kept = {name: spec for name, spec in checkpoint.card.outputs.items() if name != output}
    model = checkpoint.model
    outputs = {name: model.output[name] for name in kept}
    return replace(checkpoint, model=keras.Model(model.input, outputs), card=replace(checkpoint.card, outputs=kept))


def int8_card(checkpoint: Checkpoint, flatbuffer: bytes) -> ModelCard:
    """Give the card of a quantised model; its own hash is filled in when it is attached."""
    return replace(
        checkpoint.card,
        input=InputSpec(checkpoint.card.input.width, checkpoint.card.input.height),
        outputs=output_specs(flatbuffer, checkpoint.card),
        float_sha256=checkpoint.sha256(),
        version=version("facewire"),
    )


def output_specs(flatbuffer: bytes, card: ModelCard) -> dict[str, OutputSpec]:
    """Find the tensor of each output.

    TFLite's order is not Keras's and its tensor names mean nothing; the signature still carries Keras's names, and the
    shapes, which differ for the outputs of a kind, must agree with them.

    Raises:
        ModelError: an output is missing or has another shape.

    """
    outputs = read_graph(flatbuffer, card.name).outputs
    for name, shape in expected_shapes(card, card.name).items():
        found = outputs[name].shape if name in outputs else None
        if found != shape:
            raise ModelError(
                f"model {card.name}: output {name!r} must have shape {shape}, the network gives {found}; train it again"
            )
    return {name: OutputSpec(outputs[name].name, outputs[name].shape) for name in expected_shapes(card, card.name)}


def hold_range(flatbuffer: bytes, output: str, limit: float) -> bytes:
    """Fix the range of an output to about ``+-limit``, whatever calibration chose.

    The last convolution or dense layer accumulates in int32 and then requantises to whatever scale its output tensor
    names, so that scale may be rewritten: values inside the range stay the same within half a step, others saturate.
    The vectors are overwritten in place; not a byte of the file moves.

    Raises:
        ModelError: the output does not come straight out of such a layer.

    """
    graph = read_graph(flatbuffer, output)
    data = bytearray(flatbuffer)
    tensors = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    for tensor in output_layer(graph, output)[1]:
        quantization = tensors.Tensors(tensor.index).Quantization()
        quantization.ScaleAsNumpy()[0] = np.float32(2 * limit / LEVELS)
        quantization.ZeroPointAsNumpy()[0] = 0
    return bytes(data)


def _fixed_batch(model: Any, spec: InputSpec) -> Any:
    """Give the network with a batch of 1: the Edge TPU maps no dynamic shape, ``None`` leaves 15 tensors dynamic."""
    image = keras.Input((spec.height, spec.width, 3), batch_size=1, name="image")
    fixed = keras.models.clone_model(model, input_tensors=image)
    fixed.set_weights(model.get_weights())
    return fixed


def _convert(model: Any, images: NDArray[np.uint8]) -> bytes:
    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for image in images:
            yield [to_network(image[np.newaxis])]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.int8  # a float output would be a DEQUANTIZE, which ends on the CPU
    # The default gives each row of a dense layer its own scale, which Edge TPU compiler 16.0 (2021) does not know.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    try:
        with _quiet():
            return bytes(converter.convert())
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise ModelError(f"TensorFlow cannot convert the network to int8: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Keras's export off stdout, and a warning of the converter about statistics that int8 does not use."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
        yield


def _check_input(graph: Graph) -> None:
    """Refuse an input that raw pixels do not fit: calibration alone narrows it to the pixels that it saw."""
    found = graph.input
    scale = found.scales[0] if found.scales else float("nan")
    zero_point = found.zero_points[0] if found.zero_points else None
    if found.type != "UINT8" or not abs(scale / INPUT_SCALE - 1) < SCALE_TOLERANCE or zero_point != INPUT_ZERO_POINT:
        raise ModelError(
            f"the input became {found.type} with scale {scale:.6f} and zero point {zero_point}, expected UINT8 with "
            f"{INPUT_SCALE:.6f} and {INPUT_ZERO_POINT}; calibrate with a black and a white image among the others"
        )
