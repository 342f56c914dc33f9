"""The networks, in Keras, without a word about its back end."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from facewire_train.config import DetectorConfig, ModelConfig

# Keras' MobileNets keep 0.99 or more: after a thousand steps inference still sees the initial statistics.
BATCH_NORM_MOMENTUM = 0.97


def _normed(x: Any, name: str, activate: bool = True) -> Any:
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if activate else x


def _conv(x: Any, channels: int, name: str, size: int = 1, stride: int = 1) -> Any:
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False, name=name)(x)
    return _normed(x, name)


def separable(x: Any, channels: int, stride: int, name: str, skip: bool = True) -> Any:
    """Add a depthwise-separable block, with a skip where the shapes agree.

    Source: MobileNets (arXiv 1704.04861), section 3.1; ReLU6 for fixed quantisation ranges.
    """
    y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_dw")(x)
    y = _conv(_normed(y, f"{name}_dw"), channels, f"{name}_pw")
    return layers.Add(name=f"{name}_add")([x, y]) if skip and stride == 1 and x.shape[-1] == channels else y


def _trunk(config: ModelConfig) -> tuple[Any, list[Any]]:
    """Give the input and the feature map after the stem and after each block."""
    inputs = keras.Input((config.height, config.width, 3), name="image")
    maps = [_conv(inputs, config.stem, "stem", size=3, stride=2)]
    for number, (channels, stride) in enumerate(config.blocks):
        maps.append(separable(maps[-1], channels, stride, f"block{number}"))
    return inputs, maps


def landmark_model(config: ModelConfig, n_landmarks: int) -> keras.Model:
    """Build the landmark regressor: (B, H, W, 3) in [-1, 1] -> landmarks (B, 2N) as residual to the mean shape in
    crop units, presence (B, 1) in [0, 1].

    The last map is weighed cell by cell (a depthwise convolution of its own size) instead of averaged away.
    Source of that head: MobileFaceNets (arXiv 1804.07573), global depthwise convolution.
    """  # noqa: D205
    inputs, maps = _trunk(config)
    x = layers.DepthwiseConv2D(maps[-1].shape[1:3], use_bias=False, name="global_dw")(maps[-1])
    x = layers.Flatten(name="flatten")(_normed(x, "global_dw", activate=False))
    landmarks = layers.Dense(
        2 * n_landmarks, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name="landmarks"
    )(x)
    presence = layers.Dense(1, activation="sigmoid", name="presence")(x)
    return keras.Model(inputs, {"landmarks": landmarks, "presence": presence})


def detector_model(config: ModelConfig, detector: DetectorConfig) -> keras.Model:
    """Build the one-shot detector: (B, H, W, 3) in [-1, 1] -> scores (B, K, 1) logits, boxes (B, K, 4), points
    (B, K, 10), coded as :class:`facewire_edge.card.DetectorSpec` says.

    Each level sees the coarser one, doubled and added. Source: FPN (arXiv 1612.03144); layout after YuNet.
    """  # noqa: D205
    inputs, maps = _trunk(config)
    by_stride = {config.height // m.shape[1]: m for m in maps}  # the last map of each stride
    parts: dict[str, list[Any]] = {"scores": [], "boxes": [], "points": []}
    above = None
    for stride in reversed(detector.strides):
        x = _conv(by_stride[stride], detector.channels, f"lateral{stride}")
        if above is not None:
            x = layers.Add(name=f"merge{stride}")([x, _doubled(above, f"up{stride}")])
        above = x
        x = separable(x, detector.channels, 1, f"head{stride}", skip=False)
        for name, width in (("scores", 1), ("boxes", 4), ("points", 10)):
            parts[name].insert(0, _rows(x, name, width, stride))
    return keras.Model(inputs, {name: layers.Concatenate(axis=1, name=name)(p) for name, p in parts.items()})


def _doubled(x: Any, name: str) -> Any:
    """Double a map; Keras' nearest becomes RESHAPE and TILE, which the Edge TPU does not map, bilinear one op."""
    return layers.UpSampling2D(2, interpolation="bilinear", name=name)(x)


def _rows(x: Any, name: str, width: int, stride: int) -> Any:
    """Give a level's predictions as rows (B, cells, width); scores start at a probability of 1 %."""
    bias = keras.initializers.Constant(-4.6 if name == "scores" else 0.0)
    y = layers.Conv2D(width, 1, bias_initializer=bias, name=f"{name}{stride}")(x)
    return layers.Reshape((-1, width), name=f"{name}{stride}_rows")(y)
