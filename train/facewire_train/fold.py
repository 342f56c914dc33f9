"""Fold batch norms into the convolutions before them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from facewire_train.model import NORM

Weights = list[NDArray[np.float32]]


def folded(model: Any, plain: Any) -> Any:
    """Give ``plain``, the same network without batch norms, with the weights that make it compute what ``model``
    infers; ``model`` may be folded already.

    Source: Jacob et al. 2018 (arXiv 1712.05877), section 3.2.
    """  # noqa: D205
    norms = {layer.name.removesuffix(NORM): layer for layer in model.layers if layer.name.endswith(NORM)}
    for layer in plain.layers:
        if layer.weights:
            weights = model.get_layer(layer.name).get_weights()
            norm = norms.get(layer.name)
            layer.set_weights(weights if norm is None else _absorbed(weights[0], norm, layer))
    return plain


def _absorbed(kernel: NDArray[np.float32], norm: Any, layer: Any) -> Weights:
    gamma, beta, mean, variance = norm.get_weights()
    gain = gamma / np.sqrt(variance + norm.epsilon)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)  # (h, w, channels, 1), else (h, w, from, to)
    return [kernel * (gain[:, None] if depthwise else gain), beta - mean * gain]
