"""Fold batch norms into the convolutions before them, and take them out again."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from facewire_train.model import CENTRED, NORM

Weights = list[NDArray[np.float32]]


def folded(model: Any, plain: Any) -> Any:
    """Give ``plain``, the same network without batch norms, with the weights that make it compute what ``model``
    infers.

    Source: Jacob et al. 2018 (arXiv 1712.05877), section 3.2.
    """  # noqa: D205
    norms = {layer.name.removesuffix(NORM): layer for layer in model.layers if layer.name.endswith(NORM)}
    for layer in plain.layers:
        if layer.weights:
            weights = model.get_layer(layer.name).get_weights()
            norm = norms.get(layer.name)
            layer.set_weights(weights if norm is None else _absorbed(weights[0], norm, layer))
    _move_biases(plain, _offset(model))
    return plain


def unfolded(plain: Any, normed: Any, images: NDArray[np.float32]) -> Any:
    """Give ``normed``, the same network with batch norms, with the weights that make it infer what ``plain`` computes.

    Args:
        plain: without batch norms.
        normed: the same network with them.
        images: (B, H, W, 3) network inputs, whose statistics the batch norms start from.

    """
    norms = [layer for layer in normed.layers if layer.name.endswith(NORM)]
    names = [norm.name.removesuffix(NORM) for norm in norms]
    maps = keras.Model(plain.input, [plain.get_layer(name).output for name in names])(images)
    kept = {layer.name for layer in plain.layers}  # what is learned beside starts afresh
    for layer in normed.layers:
        if layer.weights and layer not in norms and layer.name in kept:
            layer.set_weights(plain.get_layer(layer.name).get_weights()[: len(layer.weights)])
    _move_biases(normed, -_offset(normed))
    for norm, name, values in zip(norms, names, maps, strict=True):
        bias = plain.get_layer(name).get_weights()[1]
        mean, variance = (keras.ops.convert_to_numpy(v) for v in keras.ops.moments(values, axes=(0, 1, 2)))
        norm.set_weights([np.sqrt(variance + norm.epsilon), mean, mean - bias, variance])
    return normed


def _offset(model: Any) -> float:
    """Give what a model adds to its last features before the dense layers."""
    return float(sum(layer.offset for layer in model.layers if layer.name == CENTRED))


def _move_biases(model: Any, offset: float) -> None:
    """Let the dense layers compute from features what they computed from features + ``offset``."""
    for layer in model.layers:
        if offset and isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + offset * kernel.sum(axis=0)])


def _absorbed(kernel: NDArray[np.float32], norm: Any, layer: Any) -> Weights:
    gamma, beta, mean, variance = norm.get_weights()
    gain = gamma / np.sqrt(variance + norm.epsilon)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)  # (h, w, channels, 1), else (h, w, from, to)
    return [kernel * (gain[:, None] if depthwise else gain), beta - mean * gain]
