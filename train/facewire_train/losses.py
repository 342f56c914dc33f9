"""The losses; every one takes targets with a weight as the last column, so that what is not labelled does not count."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

Loss = Callable[[Any, Any], Any]


def wing(width: float, epsilon: float, side_px: int, maps: NDArray[np.float32]) -> Loss:
    """Give the masked Wing loss in crop pixels.

    Targets are (B, R, 3): x and y of the residual in crop units and the row's weight; predictions (B, 2N) become rows
    by ``maps`` (2, R, N), one for x and one for y.
    Source: Feng et al. 2018 (arXiv 1711.06753), equation 5.
    """
    constant = width - width * log(1 + width / epsilon)

    def loss(target: Any, predicted: Any) -> Any:
        points = ops.reshape(predicted, (-1, maps.shape[2], 2))
        rows = ops.stack([ops.matmul(points[..., i], maps[i].T) for i in (0, 1)], axis=-1)
        error = ops.abs(rows - target[..., :2]) * side_px
        value = ops.where(error < width, width * ops.log(1 + error / epsilon), error - constant)
        weight = target[..., 2]
        return ops.sum(ops.mean(value, axis=-1) * weight) / ops.maximum(ops.sum(weight), 1.0)

    return loss


def focal(gamma: float) -> Loss:
    """Give the focal loss of a detector's scores, summed over cells and divided by the number of positive ones.

    Targets are (B, K, 2): 0 or 1 and the cell's weight; predictions (B, K, 1) are logits.
    Source: Lin et al. 2017 (arXiv 1708.02002), equations 4 and 5; alpha = 0.25 for the background there, here the
    positives weigh 1 and the background 0.5.
    """

    def loss(target: Any, predicted: Any) -> Any:
        label, weight, logit = target[..., 0], target[..., 1], predicted[..., 0]
        entropy = ops.maximum(logit, 0) - logit * label + ops.log1p(ops.exp(-ops.abs(logit)))
        wrong = ops.abs(label - ops.sigmoid(logit))
        value = weight * (0.5 + 0.5 * label) * ops.power(wrong, gamma) * entropy
        return ops.sum(value) / ops.maximum(ops.sum(label * weight), 1.0)

    return loss


def smooth_l1(beta: float) -> Loss:
    """Give the masked smooth L1 loss of rows (B, K, width + 1) whose last column is their weight.

    Source: Girshick 2015 (arXiv 1504.08083), equation 3, with the bend at ``beta``.
    """

    def loss(target: Any, predicted: Any) -> Any:
        error = ops.abs(predicted - target[..., :-1])
        value = ops.where(error < beta, 0.5 * error * error / beta, error - 0.5 * beta)
        weight = target[..., -1]
        return ops.sum(ops.mean(value, axis=-1) * weight) / ops.maximum(ops.sum(weight), 1.0)

    return loss
