"""Let every channel use the whole range that int8 gives its layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from facewire_train.evaluate import BATCH, keras_runner
from keras.layers import Add, Conv2D, Dense, DepthwiseConv2D, Flatten, ReLU
from numpy.typing import NDArray

TOP = 6.0  # of ReLU6
MARGIN = 1.5  # an image may reach this much further than those of the calibration before a channel is cut
MAX_GAIN = 60.0  # XNNPACK refuses to requantise by more than 256
FACE = 0.5  # presence from which an image counts as a face
REACH = 1.25  # a face may reach this much further from the middle than those of the calibration before it is cut
ACTIVATION_STEPS, WEIGHT_STEPS = 255, 127
BALANCES = np.geomspace(0.01, 100, 81)  # between the rounding of features and of weights, tried in turn


def equalised(model: Any, images: NDArray[np.uint8]) -> Any:
    """Give a copy of a network whose quiet channels are louder before, and softer again in, depthwise layers.

    int8 gives all channels of a layer one scale. In the lite model half of the 256 last ones never passed 0.2 of 6,
    and int8 lost 1.36 % of the NME instead of 0.21 % (ibug68, canonical crops, 2026-11-21). A depthwise kernel has a
    scale for each channel, so that nothing is lost there. Channels that skips add up are made louder together.
    Source: Nagel et al. 2019 (arXiv 1906.04721), section 4.1, with the ranges of activations in place of weights.

    Args:
        model: without batch norms.
        images: (S, H, W, 3) uint8 RGB, the representative inputs.

    """
    copy = _copied(model)
    streams = list(_streams(copy))
    peaks = _peaks(copy, [tensor for stream in streams for tensor in stream.tensors], images)
    for stream in streams:
        own, peaks = np.stack(peaks[: len(stream.tensors)]), peaks[len(stream.tensors) :]
        # A sum is not cut at 6: its loudest channel gives its scale, and keeps it.
        limits = np.where(stream.summed, own.max(axis=1), TOP)[:, None]
        gain = np.clip((limits / (MARGIN * np.maximum(own, 1e-6))).min(axis=0), 1.0, MAX_GAIN)
        for before in stream.before:
            kernel, bias = before.get_weights()
            before.set_weights([kernel * gain, bias * gain])
        for after in stream.after:
            kernel, bias = after.get_weights()
            after.set_weights([kernel / gain[:, None], bias])
    return copy


def awakened(model: Any, images: NDArray[np.uint8]) -> Any:
    """Give a copy of a network that computes the same on the images, without a layer before gates that is always 0.

    Weight decay silences such layers (one of nine in the default landmark model). Calibration then finds no range, and
    XNNPACK refuses the scale: one unit becomes a constant 1, which the gates' bias takes back.

    Args:
        model: without batch norms.
        images: (S, H, W, 3) uint8 RGB, the representative inputs.

    """
    copy = _copied(model)
    before_gates = [layer for layer in copy.layers if _is_before_gates(copy, layer)]
    peaks = _peaks(copy, [layer.output for layer in before_gates], images)
    for layer in (layer for layer, peak in zip(before_gates, peaks, strict=True) if not peak.any()):
        kernel, bias = layer.get_weights()
        kernel[..., 0], bias[0] = 0, 1
        layer.set_weights([kernel, bias])
        for gates in _users(copy, layer.output):
            kernel, bias = gates.get_weights()
            gates.set_weights([kernel, bias - kernel[0, 0, 0]])
    return copy


def _is_before_gates(model: Any, layer: Any) -> bool:
    """Say whether a layer is the first of a squeeze's two; see :func:`facewire_train.model.landmark_model`."""
    if not isinstance(layer, Conv2D) or layer.activation is not keras.activations.relu:
        return False
    readers = _users(model, layer.output)
    return all(isinstance(r, Conv2D) and r.kernel_size == (1, 1) and r.use_bias for r in readers) and layer.use_bias


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    """Hold tensors whose channels are the same, added up by skips, and the layers that write and read them."""

    tensors: list[Any]
    summed: list[bool]  # which of them are sums
    before: list[Any]  # convolutions, each with a ReLU6 behind it
    after: list[Any]  # depthwise layers


def _streams(model: Any) -> Iterator[_Stream]:
    """Give the streams that only convolutions with ReLU6 write and only depthwise layers read."""
    left = [layer for layer in model.layers if isinstance(layer, ReLU | Add)]
    while left:
        writers = _added_up(left.pop(0), left)
        left = [layer for layer in left if layer not in writers]
        tensors = [w.output for w in writers]
        readers = [u for t in tensors for u in _users(model, t) if u not in writers]
        before = [_source(model, w.input) for w in writers if isinstance(w, ReLU) and w.max_value == TOP]
        sums = [isinstance(w, Add) for w in writers]
        entering = [t for w in writers if isinstance(w, Add) for t in w.input if not _among(t, tensors)]
        if (
            len(before) + sum(sums) == len(writers)
            and not entering
            and readers
            and all(isinstance(b, Conv2D) and b.use_bias and len(_users(model, b.output)) == 1 for b in before)
            and all(isinstance(r, DepthwiseConv2D) for r in readers)
        ):
            yield _Stream(tensors, sums, before, readers)


def _added_up(first: Any, others: list[Any]) -> list[Any]:
    """Give the layers among ``others`` whose outputs skips add to that of ``first``, or that add it up."""
    found, grown = [first], True
    while grown:
        near = [o for o in others if o not in found and any(_adds(o, f) or _adds(f, o) for f in found)]
        found += near
        grown = bool(near)
    return found


def _adds(layer: Any, other: Any) -> bool:
    return isinstance(layer, Add) and _among(other.output, layer.input)


def _among(tensor: Any, tensors: Any) -> bool:
    return any(tensor is t for t in tensors)


def _users(model: Any, tensor: Any) -> list[Any]:
    return [layer for layer in model.layers if _among(tensor, keras.tree.flatten(layer.input))]


def _source(model: Any, tensor: Any) -> Any | None:
    return next((layer for layer in model.layers if layer.output is tensor), None)


def _peaks(model: Any, tensors: list[Any], images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Give the largest value (C,) of each channel of each tensor over the images."""
    if not tensors:
        return []
    largest = {str(i): keras.ops.max(t, axis=(0, 1, 2)) for i, t in enumerate(tensors)}  # Keras unpacks a list of one
    batches = _batches(model, largest, images)
    return [np.max([batch[name] for batch in batches], axis=0) for name in largest]


def _copied(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _batches(model: Any, tensors: dict[str, Any], images: NDArray[np.uint8]) -> list[dict[str, NDArray[np.float32]]]:
    """Give the values of some of a network's tensors, batch by batch of the images."""
    run = keras_runner(keras.Model(model.input, tensors))
    return [run(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]


def balanced(model: Any, images: NDArray[np.uint8]) -> Any:
    """Give a copy of a landmark network whose last features and dense weights lose least to int8.

    The features, cut to [0, 6], have one scale, and so have the dense weights. Each feature is moved and scaled before
    the cut so that it fits on faces, and the dense layers undo it. The louder a feature, the less its own rounding
    counts and the more that of its weights: a geometric mean lies between, as in Nagel et al. 2019 (arXiv 1906.04721),
    equation 11.

    Args:
        model: without batch norms.
        images: (S, H, W, 3) uint8 RGB, the representative inputs; those that the model takes for faces count.

    """
    copy = _copied(model)
    found = _last_features(copy)
    if found is None:
        return copy
    before, dense = found
    batches = _batches(copy, {"features": before.output, "presence": copy.output["presence"]}, images)
    features, presence = (np.concatenate([batch[name] for batch in batches]) for name in ("features", "presence"))
    faces = features.reshape(len(features), -1)[presence[:, 0] >= FACE]
    if len(faces) > 1:
        _balance(before, dense, faces, copy.get_layer("landmarks").get_weights()[0])
    return copy


def _balance(before: Any, dense: list[Any], values: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    """Scale features (S, C) that the dense ``weights`` (C, 2N) read."""
    middle, deviation = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    most = TOP / 2 / np.maximum(REACH * np.abs(values - middle).max(axis=0), 1e-6)
    gain = min((_gains(most, deviation, weights, b) for b in BALANCES), key=lambda g: _noise(g, deviation, weights))
    cut = (values < 0).any(axis=0) | (values > TOP).any(axis=0)  # on faces too, in training: must stay so
    gain, middle = np.where(cut, 1, gain), np.where(cut, TOP / 2, middle)
    kernel, bias = before.get_weights()
    before.set_weights([kernel * gain[:, None], (bias - middle) * gain + TOP / 2])
    for layer in dense:
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel / gain[:, None], bias + (middle - TOP / 2 / gain) @ kernel])


def _gains(
    most: NDArray[np.float32], deviation: NDArray[np.float32], weights: NDArray[np.float32], balance: float
) -> NDArray[np.float32]:
    size = np.sqrt(np.square(weights).mean(axis=1))
    gain: NDArray[np.float32] = np.minimum(most, balance * np.sqrt(np.maximum(size, 1e-9) / deviation))
    return gain


def _noise(gain: NDArray[np.float32], deviation: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """Give the variance that rounding adds to an output, but for a constant factor."""
    scaled = weights / gain[:, None]
    of_features = (TOP / ACTIVATION_STEPS) ** 2 * np.square(scaled).mean(axis=1).sum()
    of_weights = (np.abs(scaled).max() / WEIGHT_STEPS) ** 2 * np.square(gain * deviation).sum()
    return float(of_features + of_weights)


def _last_features(model: Any) -> tuple[Any, list[Any]] | None:
    """Give the depthwise layer of the last features and the dense layers that read them; None where it is otherwise."""
    for flatten in (layer for layer in model.layers if isinstance(layer, Flatten)):
        relu: Any = _source(model, flatten.input)
        before = _source(model, relu.input) if isinstance(relu, ReLU) and relu.max_value == TOP else None
        dense = _users(model, flatten.output)
        if isinstance(before, DepthwiseConv2D) and all(isinstance(layer, Dense) for layer in dense):
            alone = all(len(_users(model, layer.output)) == 1 for layer in (before, relu))
            return (before, dense) if alone else None
    return None
