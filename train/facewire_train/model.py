"""The networks, in Keras, without a word about its back end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from facewire_train.config import DetectorConfig, ModelConfig
from facewire_train.norm import BatchNorm

NORM = "_bn"  # suffix of the batch norm that follows a convolution
MIDDLE = 3.0  # of a cut to [0, 6]
USUAL_LOG_ERROR = -3.5  # of a point, in crop units: 3 % of the crop
SQUEEZED = 4  # channels of a block over those that its squeeze leaves
OPEN = 1.0  # what the gates of a squeeze start from, before the sigmoid
HEAT_STRIDE = 4  # of a landmark model's heat maps
CENTRED = "centred"  # the layer that takes MIDDLE off the last features before the dense layers, while training


def _activated(x: Any, name: str, normed: bool) -> Any:
    """Normalise, or leave that to the folded convolution before, then cut to [0, 6]."""
    if normed:
        x = BatchNorm(name=f"{name}{NORM}")(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x)


def _conv(x: Any, channels: int, name: str, normed: bool, size: int = 1, stride: int = 1) -> Any:
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=not normed, name=name)(x)
    return _activated(x, name, normed)


def separable(x: Any, channels: int, stride: int, name: str, normed: bool, skip: bool = True, squeeze: int = 0) -> Any:
    """Add a depthwise-separable block, with a skip where the shapes agree.

    ``squeeze``: maps of at most this width are gated between the two convolutions.
    Source: MobileNets (arXiv 1704.04861), section 3.1; ReLU6 for fixed quantisation ranges.
    """
    y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=not normed, name=f"{name}_dw")(x)
    y = _activated(y, f"{name}_dw", normed)
    y = _gated(y, name) if y.shape[2] <= squeeze else y
    y = _conv(y, channels, f"{name}_pw", normed)
    return layers.Add(name=f"{name}_add")([x, y]) if skip and stride == 1 and x.shape[-1] == channels else y


def _gated(x: Any, name: str) -> Any:
    """Weigh channels by what all cells together say of them.

    Source: squeeze and excitation (arXiv 1709.01507), section 3.
    """
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = layers.Conv2D(max(1, channels // SQUEEZED), 1, activation="relu", name=f"{name}_less")(y)
    opened = keras.initializers.Constant(OPEN)
    y = layers.Conv2D(channels, 1, activation="sigmoid", bias_initializer=opened, name=f"{name}_gates")(y)
    return layers.Multiply(name=f"{name}_gated")([x, y])


def _trunk(config: ModelConfig, normed: bool) -> tuple[Any, list[Any]]:
    """Give the input and the feature map after the stem and after each block."""
    inputs = keras.Input((config.height, config.width, 3), name="image")
    maps = [_conv(inputs, config.stem, "stem", normed, size=3, stride=2)]
    for number, (channels, stride) in enumerate(config.blocks):
        maps.append(separable(maps[-1], channels, stride, f"block{number}", normed, squeeze=config.squeeze))
    return inputs, maps


def landmark_model(
    config: ModelConfig,
    n_landmarks: int,
    normed: bool = True,
    mean: NDArray[np.float32] | None = None,
    asides: int = 0,
) -> keras.Model:
    """Build the landmark regressor: (B, H, W, 3) in [-1, 1] -> landmarks (B, 2N) as residual to the mean shape in
    crop units, presence (B, 1) in [0, 1], and where the configuration wants it uncertainty (B, N), the logarithm of
    each point's expected distance from the truth in crop units.

    ``normed``: with batch norms, else with biases in their place (:func:`facewire_train.fold.folded`). With them,
    uncertainty is (B, 3N), the landmarks before it, as :func:`facewire_train.losses.spread` wants it; what is learned
    of it does not reach the rest of the network, and there is one more output, asides (B, ``asides``), if there are
    any (:mod:`facewire_train.asides`). ``mean``: the mean shape (N, 2), which heat maps need.
    """  # noqa: D205
    inputs, maps = _trunk(config, normed)
    x = maps[-1]
    if config.head:
        x = _conv(x, config.head, "head", normed)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x) if config.pool else _weighed(x, normed)
    x = layers.Flatten(name="flatten")(x)
    if config.heat_maps:
        assert mean is not None
        landmarks = _seen(maps, config, mean, normed)
    else:
        small = keras.initializers.RandomNormal(stddev=0.01)
        landmarks = layers.Dense(2 * n_landmarks, kernel_initializer=small, name="landmarks")(x)
    outputs = {"landmarks": landmarks, "presence": layers.Dense(1, activation="sigmoid", name="presence")(x)}
    if config.uncertainty:
        outputs["uncertainty"] = _uncertainty(x, landmarks, n_landmarks, normed)
    if asides and normed:
        outputs["asides"] = layers.Dense(asides, name="asides")(x)
    return keras.Model(inputs, outputs)


def _seen(maps: Sequence[Any], config: ModelConfig, mean: NDArray[np.float32], normed: bool) -> Any:
    """Give the landmarks (B, 2N) as the centres of mass of heat maps, one a landmark, at the stride HEAT_STRIDE.

    Source: integral regression (arXiv 1711.08229), section 2.
    """
    x = None
    for stride, finest in reversed(_by_stride(maps, config).items()):
        if stride >= HEAT_STRIDE:
            lateral = _conv(finest, config.heat_maps, f"lateral{stride}", normed)
            x = lateral if x is None else layers.Add(name=f"merge{stride}")([lateral, _doubled(x, f"up{stride}")])
            x = separable(x, config.heat_maps, 1, f"fine{stride}", normed)
    heat = layers.Conv2D(len(mean), 1, name="heat")(x)
    rows, columns = heat.shape[1:3]
    heat = layers.Softmax(axis=1, name="share")(layers.Reshape((rows * columns, len(mean)), name="cells")(heat))
    y, x = np.mgrid[:rows, :columns].reshape(2, -1)
    places = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=1).astype(np.float32)
    centres = keras.ops.matmul(keras.ops.transpose(heat, (0, 2, 1)), places)
    return layers.Reshape((2 * len(mean),), name="landmarks")(centres - mean)


def _by_stride(maps: Sequence[Any], config: ModelConfig) -> dict[int, Any]:
    """Give the last map of each stride, the finest first."""
    return {config.height // m.shape[1]: m for m in maps}


def _weighed(x: Any, normed: bool) -> Any:
    """Weigh a map (B, H, W, C) cell by cell with a depthwise convolution of its own size, instead of averaging it away.

    Its features are cut to [0, 6] like all others, but start in the middle, so that they are linear on faces: without
    the cut, crops that show no face reach so far that int8 leaves a face's features 20 times as coarse. While training,
    the dense layers see them less their middle: with it, every weight acts as a bias too, and the loss grows (23.3
    against 14.4 after 350 batches of 24); folding moves it into the biases. No batch norm follows: of one cell an
    image, a batch of 24 gives too little to know mean and deviation by, and takes away what its faces have in common
    (error on training crops 2.96 px by the moving averages, 4.35 px by the batches' own; without it 2.91 and 3.07 px).
    Source: MobileFaceNets (arXiv 1804.07573), global depthwise convolution, without the cut there.
    """
    x = layers.DepthwiseConv2D(
        x.shape[1:3],
        depthwise_initializer=keras.initializers.RandomNormal(stddev=1 / x.shape[1]),
        bias_initializer=keras.initializers.Constant(MIDDLE),
        name="global_dw",
    )(x)
    x = _activated(x, "global_dw", normed=False)
    return layers.Rescaling(1.0, offset=-MIDDLE, name=CENTRED)(x) if normed else x


def _uncertainty(x: Any, landmarks: Any, n_landmarks: int, normed: bool) -> Any:
    """Give the logarithm of each point's expected distance; while training, behind the landmarks it is of."""
    if normed:
        x, landmarks = keras.ops.stop_gradient(x), keras.ops.stop_gradient(landmarks)
    usual = keras.initializers.Constant(USUAL_LOG_ERROR)
    y = layers.Dense(
        n_landmarks,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=usual,
        name="uncertainty",
    )(x)
    return layers.Concatenate(name="uncertainty_of")([landmarks, y]) if normed else y


def detector_model(config: ModelConfig, detector: DetectorConfig, normed: bool = True) -> keras.Model:
    """Build the one-shot detector: (B, H, W, 3) in [-1, 1] -> scores (B, K, 1) logits, boxes (B, K, 4), points
    (B, K, 10), coded as :class:`facewire_edge.card.DetectorSpec` says.

    Each level sees the coarser one, doubled and added. The five points may have blocks of their own behind the head's.
    Source: FPN (arXiv 1612.03144); layout after YuNet.
    """  # noqa: D205
    inputs, maps = _trunk(config, normed)
    by_stride = _by_stride(maps, config)
    parts: dict[str, list[Any]] = {"scores": [], "boxes": [], "points": []}
    above = None
    points_channels = detector.points_channels or (0,) * len(detector.strides)
    for stride, points_width in zip(reversed(detector.strides), reversed(points_channels), strict=True):
        x = _conv(by_stride[stride], detector.channels, f"lateral{stride}", normed)
        if above is not None:
            x = layers.Add(name=f"merge{stride}")([x, _doubled(above, f"up{stride}")])
        above = x
        x = separable(x, detector.channels, 1, f"head{stride}", normed, skip=False)
        for number in range(1, detector.head_blocks):
            x = separable(x, detector.channels, 1, f"head{stride}_{number}", normed)
        y = x
        for number in range(detector.head_blocks if points_width else 0):
            y = separable(y, points_width, 1, f"five{stride}_{number}", normed)
        for name, source, width in (("scores", x, 1), ("boxes", x, 4), ("points", y, 10)):
            parts[name].insert(0, _rows(source, name, width, stride))
    return keras.Model(inputs, {name: layers.Concatenate(axis=1, name=name)(p) for name, p in parts.items()})


def _doubled(x: Any, name: str) -> Any:
    """Double a map; Keras' nearest becomes RESHAPE and TILE, which the Edge TPU does not map, bilinear one op."""
    return layers.UpSampling2D(2, interpolation="bilinear", name=name)(x)


def _rows(x: Any, name: str, width: int, stride: int) -> Any:
    """Give a level's predictions as rows (B, cells, width); scores start at a probability of 1 %."""
    bias = keras.initializers.Constant(-4.6 if name == "scores" else 0.0)
    y = layers.Conv2D(width, 1, bias_initializer=bias, name=f"{name}{stride}")(x)
    return layers.Reshape((-1, width), name=f"{name}{stride}_rows")(y)
