"""What the int8 file must be for the device, and how a wrong one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from facewire_convert.flatbuffer import read_graph
from facewire_convert.quantize import LANDMARK_RANGE, hold_range, int8_card, quantize, without_output
from facewire_edge.card import INPUT_SCALE, INPUT_ZERO_POINT, attach_card, read_card
from facewire_edge.errors import ModelCardError, ModelError
from facewire_edge.interpreter import Model, load_model
from facewire_train.evaluate import keras_runner
from keras import layers
from numpy.typing import NDArray


def residuals(model: Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([model.run(image)["landmarks"] for image in images])


def with_range(conversion: Any, limit: float, folder: Path) -> Model:
    path = folder / "model.tflite"
    attach_card(hold_range(conversion.flatbuffer, "landmarks", limit), conversion.card, path)
    return load_model(path)


def test_input_is_uint8_with_the_whole_pixel_range(conversion: Any) -> None:
    found = read_graph(conversion.flatbuffer, "model").input
    assert (found.type, found.zero_points) == ("UINT8", (INPUT_ZERO_POINT,))
    assert found.scales[0] == pytest.approx(INPUT_SCALE, rel=1e-6)


def test_calibration_without_black_and_white_is_refused(conversion: Any) -> None:
    grey = np.clip(conversion.calibration.images[:10], 80, 160)
    with pytest.raises(ModelError, match="black and a white image"):
        quantize(conversion.checkpoint, grey)


def test_all_sizes_are_fixed_and_all_tensors_quantised(conversion: Any) -> None:
    graph = read_graph(conversion.flatbuffer, "model")
    tensors = [t for o in graph.operations for t in (*o.inputs, *o.outputs)]
    assert all(-1 not in t.shape for t in tensors)
    assert {t.type for t in tensors} <= {"UINT8", "INT8", "INT32"}
    assert {o.name for o in graph.operations}.isdisjoint({"DEQUANTIZE"})


def test_dense_layers_have_one_scale(conversion: Any) -> None:
    graph = read_graph(conversion.flatbuffer, "model")
    dense = [o for o in graph.operations if o.name == "FULLY_CONNECTED"]
    assert dense
    assert all(len(o.inputs[1].scales) == 1 for o in dense)


def test_landmark_output_has_the_fixed_range(conversion: Any) -> None:
    output = read_graph(conversion.flatbuffer, "model").outputs["landmarks"]
    assert output.scales[0] == pytest.approx(2 * LANDMARK_RANGE / 255)
    assert output.zero_points == (0,)


def test_rewriting_the_range_keeps_values_inside_it_within_a_step(conversion: Any, tmp_path: Path) -> None:
    images = conversion.calibration.images[:20]
    narrow, wide = (residuals(with_range(conversion, limit, tmp_path), images) for limit in (0.2, 0.4))
    inside = np.abs(wide) < 0.19
    assert inside.mean() > 0.9
    assert np.abs(narrow - wide)[inside].max() <= (0.2 + 0.4) / 255 + 1e-6  # half a step of each


def test_values_outside_the_range_saturate(conversion: Any, tmp_path: Path) -> None:
    images = conversion.calibration.images[:20]
    clipped = residuals(with_range(conversion, 0.01, tmp_path), images)
    assert np.abs(clipped).max() <= 0.0101
    assert (np.sign(clipped) * residuals(load_model(conversion.model_path), images) >= -0.35 / 255).all()


def test_rewriting_the_range_touches_no_other_tensor(conversion: Any) -> None:
    def others(flatbuffer: bytes) -> list[tuple[object, ...]]:
        graph = read_graph(flatbuffer, "model")
        index = graph.outputs["landmarks"].index
        tensors = [t for o in graph.operations for t in (*o.inputs, *o.outputs) if t.index != index]
        return [(t.name, t.scales, t.zero_points, t.data) for t in tensors]

    rewritten = hold_range(conversion.flatbuffer, "landmarks", 0.1)
    assert len(rewritten) == len(conversion.flatbuffer)
    assert others(rewritten) == others(conversion.flatbuffer)


def test_range_behind_an_activation_cannot_be_rewritten(conversion: Any) -> None:
    with pytest.raises(ModelError, match=r"LOGISTIC.*heat maps"):
        hold_range(conversion.flatbuffer, "presence", 0.35)


def test_range_goes_through_a_reshape_to_its_convolution(conversion: Any, tmp_path: Path) -> None:
    image = keras.Input((48, 48, 3))
    cells = layers.Conv2D(10, 8)(layers.AveragePooling2D(6)(image))
    outputs = {"landmarks": layers.Reshape((10,))(cells), "presence": layers.Dense(1)(layers.Flatten()(cells))}
    checkpoint = replace(without_output(conversion.checkpoint, "uncertainty"), model=keras.Model(image, outputs))
    path = tmp_path / "conv.tflite"
    flatbuffer = quantize(checkpoint, conversion.calibration.images)
    attach_card(flatbuffer, int8_card(checkpoint, flatbuffer), path)
    flatbuffer = read_card(path)[1]
    graph = read_graph(flatbuffer, "model")
    assert graph.producer(graph.outputs["landmarks"]).name == "RESHAPE"
    model = load_model(path)
    expected = keras_runner(checkpoint.model)(conversion.calibration.images[:10])["landmarks"]
    inside = np.abs(expected) < LANDMARK_RANGE
    step = 2 * LANDMARK_RANGE / 255
    assert np.abs(residuals(model, conversion.calibration.images[:10]) - expected)[inside].max() < 6 * step


def test_each_output_agrees_with_the_float_output_of_its_name(conversion: Any) -> None:
    images = conversion.calibration.images[:20]
    model = load_model(conversion.model_path)
    expected = keras_runner(conversion.checkpoint.model)(images)
    for name in ("landmarks", "presence"):
        found = np.stack([model.run(image)[name] for image in images])
        assert np.abs(found - expected[name]).mean() < 0.02


def test_card_names_its_float_parent_and_keeps_its_terms(conversion: Any) -> None:
    card = read_card(conversion.model_path)[0]
    assert card.float_sha256 == conversion.checkpoint.sha256()
    assert (card.terms, card.data) == (conversion.checkpoint.card.terms, conversion.checkpoint.card.data)
    assert card.version


def test_same_checkpoint_and_calibration_give_the_same_file(conversion: Any) -> None:
    assert quantize(conversion.checkpoint, conversion.calibration.images) == conversion.flatbuffer


def test_broken_input_scale_is_refused_at_load(conversion: Any, tmp_path: Path) -> None:
    data = bytearray(conversion.flatbuffer)
    graph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    graph.Tensors(graph.Inputs(0)).Quantization().ScaleAsNumpy()[0] = 1 / 255
    attach_card(bytes(data), conversion.card, tmp_path / "broken.tflite")
    with pytest.raises(ModelCardError, match="raw pixels would be misread") as caught:
        load_model(tmp_path / "broken.tflite")
    assert caught.value.exit_code == 4


def test_swapped_outputs_in_the_card_are_refused_at_load(conversion: Any, tmp_path: Path) -> None:
    outputs = conversion.card.outputs
    swapped = {
        "landmarks": replace(outputs["landmarks"], tensor=outputs["presence"].tensor),
        "presence": replace(outputs["presence"], tensor=outputs["landmarks"].tensor),
    }
    attach_card(conversion.flatbuffer, replace(conversion.card, outputs=swapped), tmp_path / "swapped.tflite")
    with pytest.raises(ModelCardError, match="landmarks") as caught:
        load_model(tmp_path / "swapped.tflite")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_cut_off_file_is_refused_at_load(conversion: Any, tmp_path: Path, share: float) -> None:
    data = conversion.model_path.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "cut.tflite")
    assert caught.value.exit_code == 4


def test_uncertainty_survives_int8_and_can_be_left_out(conversion: Any, tmp_path: Path) -> None:
    images = conversion.calibration.images[:20]
    wanted = keras_runner(conversion.checkpoint.model)(images)["uncertainty"]
    device = load_model(conversion.model_path)
    found = np.stack([device.run(image)["uncertainty"] for image in images])
    assert wanted.std() > 0.05
    assert np.abs(found - wanted).mean() < 0.05  # of a logarithm: a twentieth of the distance
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9
    without = without_output(conversion.checkpoint, "uncertainty")
    flatbuffer = quantize(without, conversion.calibration.images)
    attach_card(flatbuffer, int8_card(without, flatbuffer), tmp_path / "two.tflite")
    assert set(load_model(tmp_path / "two.tflite").run(images[0])) == {"landmarks", "presence"}
    assert without_output(without, "uncertainty") is without
