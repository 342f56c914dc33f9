"""Quiet channels become louder before a depthwise layer, and the network computes what it did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from facewire_convert.equalise import MARGIN, MAX_GAIN, TOP, equalised
from facewire_train.evaluate import to_network
from keras import layers

IMAGES = np.random.default_rng(4).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)  # more than one batch


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
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel * np.float32([1, 0.1, 1e-5, 1]), bias])
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
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel * 50, bias])
    before, after = peaks(model, "first_relu"), peaks(equalised(model, IMAGES), "first_relu")
    assert before[0] > TOP / MARGIN
    assert after[0] == pytest.approx(before[0])


def test_a_map_that_feeds_two_layers_stays(model: Any) -> None:
    np.testing.assert_allclose(peaks(equalised(model, IMAGES), "second_relu"), peaks(model, "second_relu"), rtol=1e-3)


def test_the_model_given_is_left_alone(model: Any) -> None:
    weights = [w.copy() for w in model.get_weights()]
    equalised(model, IMAGES)
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))
