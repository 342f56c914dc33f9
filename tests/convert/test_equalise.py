"""Quiet channels become louder before a depthwise layer, and the network computes what it did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from facewire_convert.equalise import MARGIN, MAX_GAIN, TOP, awakened, balanced, equalised
from facewire_train.config import ModelConfig
from facewire_train.evaluate import to_network
from facewire_train.model import landmark_model
from keras import layers

IMAGES = np.random.default_rng(4).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)  # more than one batch


def scale(model: Any, name: str, gain: Any) -> None:
    """Multiply a layer's kernel; its bias stays."""
    kernel, bias = model.get_layer(name).get_weights()
    model.get_layer(name).set_weights([kernel * np.float32(gain), bias])


@pytest.fixture
def model() -> Any:
    """Give a network whose first map feeds a depthwise layer alone, and whose second feeds two layers."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.ReLU(6.0, name="first_relu")(layers.Conv2D(4, 3, padding="same", name="first")(image))
    x = layers.DepthwiseConv2D(3, padding="same", name="first_dw")(x)
    y = layers.ReLU(6.0, name="second_relu")(layers.Conv2D(4, 1, name="second")(x))
    z = layers.Add()([y, layers.DepthwiseConv2D(3, padding="same", name="second_dw")(y)])
    model = keras.Model(image, z)
    scale(model, "first", [1, 0.1, 1e-5, 1])
    return model


def peaks(model: Any, name: str) -> Any:
    values = keras.Model(model.input, model.get_layer(name).output)(to_network(IMAGES))
    return keras.ops.convert_to_numpy(values).max(axis=(0, 1, 2))


def test_the_network_computes_what_it_did(model: Any) -> None:
    inputs = to_network(IMAGES)
    np.testing.assert_allclose(equalised(model, IMAGES)(inputs), model(inputs), atol=1e-5)


def test_quiet_channels_reach_the_margin(model: Any) -> None:
    before, after = peaks(model, "first_relu"), peaks(equalised(model, IMAGES), "first_relu")
    assert before[1] < 0.3
    np.testing.assert_allclose(after[[0, 1, 3]], TOP / MARGIN, rtol=1e-3)
    np.testing.assert_allclose(after[2], before[2] * MAX_GAIN, rtol=1e-3)


def test_loud_channels_stay(model: Any) -> None:
    scale(model, "first", 50)
    before, after = peaks(model, "first_relu"), peaks(equalised(model, IMAGES), "first_relu")
    assert before[0] > TOP / MARGIN
    assert after[0] == pytest.approx(before[0])


def test_a_map_that_feeds_two_layers_stays(model: Any) -> None:
    np.testing.assert_allclose(peaks(equalised(model, IMAGES), "second_relu"), peaks(model, "second_relu"), rtol=1e-3)


def test_the_model_given_is_left_alone(model: Any) -> None:
    weights = [w.copy() for w in model.get_weights()]
    equalised(model, IMAGES)
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))


@pytest.fixture
def skipping() -> Any:
    """Give a network whose skip adds two maps, and whose sum feeds a depthwise layer."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.ReLU(6.0, name="first_relu")(layers.Conv2D(4, 3, padding="same", name="first")(image))
    y = layers.DepthwiseConv2D(3, padding="same", name="inner_dw")(x)
    y = layers.ReLU(6.0, name="second_relu")(layers.Conv2D(4, 1, name="second")(y))
    z = layers.DepthwiseConv2D(3, padding="same", name="outer_dw")(layers.Add(name="sum")([x, y]))
    model = keras.Model(image, z)
    for name in ("first", "second"):
        scale(model, name, [1, 0.05, 1, 1])
    return model


def test_channels_that_a_skip_adds_up_become_louder_together(skipping: Any) -> None:
    inputs, result = to_network(IMAGES), equalised(skipping, IMAGES)
    np.testing.assert_allclose(result(inputs), skipping(inputs), atol=1e-5)
    gains = [peaks(result, name)[1] / peaks(skipping, name)[1] for name in ("first_relu", "second_relu", "sum")]
    assert gains[0] > 5
    np.testing.assert_allclose(gains, gains[0], rtol=1e-3)
    assert peaks(result, "sum").max() == pytest.approx(peaks(skipping, "sum").max(), rel=1e-3)  # its scale stays


def test_a_skip_from_elsewhere_keeps_its_channels(skipping: Any) -> None:
    image = skipping.input
    foreign = layers.Conv2D(4, 1, name="foreign")(image)  # without ReLU6: may be negative
    z = layers.DepthwiseConv2D(3, padding="same", name="last_dw")(
        layers.Add(name="other_sum")([skipping.get_layer("first_relu").output, foreign])
    )
    model = keras.Model(image, z)
    np.testing.assert_allclose(peaks(equalised(model, IMAGES), "first_relu"), peaks(model, "first_relu"), rtol=1e-3)


def test_last_features_and_dense_weights_share_what_int8_gives_them() -> None:
    keras.utils.set_random_seed(1)
    model = landmark_model(ModelConfig(8, 8, 4, ((8, 2),)), 5, normed=False)
    scale(model, "global_dw", 0.01)  # next to nothing of [0, 6]
    scale(model, "landmarks", 100)
    kernel, bias = model.get_layer("presence").get_weights()
    model.get_layer("presence").set_weights([kernel * 0, bias + 1])  # all of them are faces
    inputs, result = to_network(IMAGES), balanced(model, IMAGES)
    for name, expected in model(inputs).items():
        np.testing.assert_allclose(result(inputs)[name], expected, atol=1e-4)
    before, after = (np.abs(m.get_layer("landmarks").get_weights()[0]).max() for m in (model, result))
    assert after < before / 10
    assert peaks(result, "global_dw_relu").max() > peaks(model, "global_dw_relu").max() + 0.5


def test_layer_before_gates_that_is_always_0_gets_a_range_and_the_network_computes_what_it_did() -> None:
    keras.utils.set_random_seed(1)
    model = landmark_model(ModelConfig(8, 8, 4, ((8, 1), (8, 1)), squeeze=8), 5, normed=False)
    silent = model.get_layer("block0_less")
    kernel, bias = silent.get_weights()
    silent.set_weights([kernel, bias - 100])
    awake = awakened(model, IMAGES)
    assert peaks(model, "block0_less").max() == 0
    assert peaks(awake, "block0_less").max() == 1
    assert (peaks(awake, "block1_less") == peaks(model, "block1_less")).all()
    for name, values in awake(to_network(IMAGES)).items():
        np.testing.assert_allclose(values, model(to_network(IMAGES))[name], atol=1e-5)
