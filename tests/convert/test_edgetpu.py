"""One small network for each constraint of the Edge TPU, made to violate it."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from facewire_convert.__main__ import main
from facewire_convert.edgetpu import check, table
from facewire_train.model import separable
from keras import layers, ops


def converted(
    layer: Callable[[Any], Any],
    shape: tuple[int, ...] = (8, 8, 4),
    batch: int | None = 1,
    per_channel_dense: bool = False,
    quantised: bool = True,
    output_type: Any = tf.int8,
) -> bytes:
    """Convert a network of one layer."""
    inputs = keras.Input(shape, batch_size=batch)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, layer(inputs)))
    if quantised:
        rng = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [rng.uniform(-1, 1, (1, *shape)).astype(np.float32)] for _ in range(3)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type, converter.inference_output_type = tf.uint8, output_type
        converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel_dense
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
        return bytes(converter.convert())


def edited(flatbuffer: bytes, edit: Callable[[Any], None]) -> bytes:
    """Change what the converter never gives by itself."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer, 0))
    edit(model)
    builder = flatbuffers.Builder(len(flatbuffer))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def last_options(model: Any) -> Any:
    return model.subgraphs[0].operators[-1].builtinOptions


def small_network(x: Any) -> Any:
    x = layers.DepthwiseConv2D(3)(layers.Conv2D(8, 3, 2, activation="relu6")(x))
    return layers.Dense(6, activation="sigmoid", name="head")(layers.GlobalAveragePooling2D()(x))


@pytest.fixture(scope="module")
def good() -> bytes:
    return converted(small_network)


VIOLATIONS = {
    "hard_swish": (lambda x: layers.Activation("hard_swish")(x), {}, "not a supported operation"),
    "nearest_upsampling": (lambda x: layers.UpSampling2D(2)(x), {}, "not a supported operation"),
    "dynamic_batch": (lambda x: layers.Conv2D(4, 3)(x), {"batch": None}, "dynamic shape"),
    "float_network": (lambda x: layers.Conv2D(4, 3)(x), {"quantised": False}, "works on FLOAT32"),
    "float_output": (lambda x: layers.Conv2D(4, 3)(x), {"output_type": tf.float32}, "not a supported operation"),
    "dense_per_channel": (
        lambda x: layers.Dense(6)(layers.Flatten()(x)),
        {"per_channel_dense": True},
        "a scale for each of its 6 rows",
    ),
    "dense_on_rows": (lambda x: layers.Dense(6)(x), {"shape": (5, 8)}, "expected one dimension"),
    "unequal_dilations": (lambda x: layers.Conv2D(4, 3, dilation_rate=(2, 1))(x), {}, "dilations 2 and 1"),
    "mean_over_large_map": (lambda x: layers.GlobalAveragePooling2D()(x), {"shape": (256, 128, 4)}, "32768 cells"),
    "mean_over_odd_depth": (lambda x: ops.mean(x, axis=3), {"shape": (4, 4, 6)}, "mean over 6 channels"),
    "mean_over_batch": (lambda x: ops.mean(x, axis=0), {}, "over the batch"),
    "softmax_over_rows": (lambda x: layers.Softmax()(x), {"shape": (5, 8)}, "expected one dimension"),
    "resize_to_large_map": (
        lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
        {"shape": (100, 100, 4)},
        "gives 200x200",
    ),
    "five_dimensions": (lambda x: layers.Reshape((2, 4, 2, 4, 4))(x), {}, "innermost may be larger than 1"),
    "constant_in_concatenation": (
        lambda x: ops.concatenate([x, ops.ones((1, 8, 8, 2))], axis=3),
        {},
        "not a plain padding with zeros",
    ),
    "prelu_slope_each_cell": (
        lambda x: layers.PReLU(alpha_initializer="ones")(x),
        {},
        "expected one a channel",
    ),
    "strided_slice": (lambda x: x[:, ::2], {}, "strides other than 1"),
    "batch_padding": (lambda x: ops.pad(x, ((0, 1), (0, 0), (0, 0), (0, 0))), {}, "pads the batch"),
    "stack_along_batch": (lambda x: ops.stack([x, layers.ReLU(6)(x)], axis=0), {}, "stacks along the batch"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violated_constraint_is_named_with_a_remedy(name: str) -> None:
    layer, options, constraint = VIOLATIONS[name]
    mapping = check(converted(layer, **options), name)
    assert any(constraint in finding.constraint for finding in mapping.findings), table(mapping)
    assert all(finding.remedy for finding in mapping.findings)


def newer_version(model: Any) -> None:
    model.operatorCodes[model.subgraphs[0].operators[-1].opcodeIndex].version = 6


def fused_activation(model: Any) -> None:
    last_options(model).fusedActivationFunction = schema.ActivationFunctionType.RELU


def shuffled_weights(model: Any) -> None:
    last_options(model).weightsFormat = schema.FullyConnectedOptionsWeightsFormat.SHUFFLED4x16INT8


def computed_weights(model: Any) -> None:
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[-1].inputs[1]].buffer = 0  # the empty one


def second_subgraph(model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


# What today's converter never writes by itself, but other tools and older files do.
EDITS = {
    "version": (lambda x: layers.Conv2D(4, 3)(x), newer_version, "version 6, newest known 5"),
    "pooling": (lambda x: layers.AveragePooling2D(2)(x), fused_activation, "fused activation"),
    "concatenation": (
        lambda x: layers.Concatenate()([x, layers.ReLU(6)(x)]),
        fused_activation,
        "fused activation",
    ),
    "dense": (lambda x: layers.Dense(6)(layers.Flatten()(x)), shuffled_weights, "shuffled weights"),
    "weights": (lambda x: layers.Conv2D(4, 3)(x), computed_weights, "weights that are computed"),
    "subgraph": (lambda x: layers.Conv2D(4, 3)(x), second_subgraph, "2 subgraphs"),
}


@pytest.mark.parametrize("name", EDITS)
def test_foreign_form_of_an_operation_is_named(name: str) -> None:
    layer, edit, constraint = EDITS[name]
    mapping = check(edited(converted(layer), edit), name)
    assert [f.constraint for f in mapping.findings if constraint in f.constraint], table(mapping)


def test_gated_block_maps_whole() -> None:
    plain, gated = (
        check(converted(lambda x, s=s: separable(x, 8, 1, "b", normed=False, squeeze=s)), "") for s in (7, 8)
    )
    assert gated.operations > plain.operations
    assert not gated.findings, table(gated)


def test_mobile_network_maps_whole(good: bytes) -> None:
    mapping = check(good, "good")
    assert not mapping.findings
    assert mapping.mapped == mapping.operations
    assert "all" in mapping.summary


def test_summary_counts_what_maps_before_the_first_problem() -> None:
    def network(x: Any) -> Any:
        return layers.Conv2D(4, 3, name="behind")(layers.UpSampling2D(2)(layers.Conv2D(4, 3, name="before")(x)))

    mapping = check(converted(network), "model")
    assert mapping.mapped == 2  # QUANTIZE and the convolution before the upsampling
    assert mapping.findings[0].number == 2
    assert f"first 2 of {mapping.operations}" in mapping.summary


def test_finding_names_the_keras_layer() -> None:
    mapping = check(converted(lambda x: layers.Dense(6, name="head")(layers.Flatten()(x)), per_channel_dense=True), "m")
    assert mapping.findings[0].layer.startswith("head")


def test_command_ends_with_0_and_json_where_everything_maps(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.tflite").write_bytes(good)
    assert main(["check", str(tmp_path / "good.tflite"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_command_ends_with_5_and_a_table_where_something_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.tflite").write_bytes(converted(lambda x: layers.UpSampling2D(2)(x)))
    assert main(["check", str(tmp_path / "bad.tflite")]) == 5
    captured = capsys.readouterr()
    assert "TILE" in captured.out
    assert captured.err.splitlines()[-1].startswith("facewire-convert: ")


@pytest.mark.parametrize("length", [0, 6, 40, 700])
def test_cut_off_model_ends_with_4(good: bytes, tmp_path: Path, length: int) -> None:
    (tmp_path / "cut.tflite").write_bytes(good[:length])
    assert main(["check", str(tmp_path / "cut.tflite")]) == 4


def test_missing_model_ends_with_4(tmp_path: Path) -> None:
    assert main(["check", str(tmp_path / "none.tflite")]) == 4
