"""The losses; every one takes targets with a weight as the last column, so that what is not labelled does not count."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

Loss = Callable[[Any, Any], Any]
Penalty = Callable[[Any], Any]


def regression(penalty: Penalty, side_px: int, maps: NDArray[np.float32]) -> Loss:
    """Give the masked loss of landmarks in crop pixels.

    Targets are (B, R, 3): x and y of the residual in crop units and the row's weight; predictions (B, 2N) become rows
    by ``maps`` (2, R, N), one for x and one for y.
    """

    def loss(target: Any, predicted: Any) -> Any:
        points = ops.reshape(predicted, (-1, maps.shape[2], 2))
        return weighted_mean(penalty((_mapped(points, maps) - target[..., :2]) * side_px), target[..., 2])

    return loss


def between(penalty: Penalty, side_px: int, maps: NDArray[np.float32]) -> Loss:
    """Give the masked loss of what lies between landmarks, in crop pixels.

    Each row of ``maps`` (2, P, N) is a difference of points, such as upper and lower lid; targets and predictions are
    those of :func:`regression`. Where the points are all labelled it counts.
    """
    n, used = maps.shape[2], np.asarray(np.abs(maps).sum(axis=0) > 0, dtype=np.float32)

    def loss(target: Any, predicted: Any) -> Any:
        error = (ops.reshape(predicted, (-1, n, 2)) - target[:, :n, :2]) * side_px
        missing = ops.matmul(ops.cast(target[:, :n, 2] == 0, error.dtype), used.T)
        return weighted_mean(penalty(_mapped(error, maps)), ops.cast(missing == 0, error.dtype))

    return loss


def _mapped(points: Any, maps: NDArray[np.float32]) -> Any:
    """Give the rows (B, R, 2) that ``maps`` (2, R, N) make of points (B, N, 2)."""
    return ops.stack([ops.matmul(points[..., i], maps[i].T) for i in (0, 1)], axis=-1)


def weighted_mean(value: Any, weight: Any) -> Any:
    """Give the weighted mean, 0 where nothing has a weight."""
    return ops.sum(value * weight) / ops.maximum(ops.sum(weight), 1.0)


def wing(width: float, epsilon: float) -> Penalty:
    """Give the Wing penalty: a logarithm for small errors, linear from ``width`` on.

    Source: Feng et al. 2018 (arXiv 1711.06753), equation 5.
    """
    constant = width - width * log(1 + width / epsilon)

    def penalty(error: Any) -> Any:
        size = ops.abs(error)
        return ops.mean(ops.where(size < width, width * ops.log(1 + size / epsilon), size - constant), axis=-1)

    return penalty


def soft_wing(width: float, epsilon: float) -> Penalty:
    """Give a Wing penalty turned round: linear for errors below a fourth of ``width``, a logarithm beyond.

    Source: Lin et al. 2021, "Structure-Coherent Deep Feature Learning for Robust Face Alignment", TIP, section III.
    """
    bend = width / 4
    constant = bend - width * log(1 + bend / epsilon)

    def penalty(error: Any) -> Any:
        size = ops.abs(error)
        return ops.mean(ops.where(size < bend, size, width * ops.log(1 + size / epsilon) + constant), axis=-1)

    return penalty


def _distance(error: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(error), axis=-1) + 1e-6)  # its slope at 0 stays finite


def _smooth_l1(error: Any) -> Any:
    size = ops.abs(error)
    return ops.mean(ops.where(size < 1, 0.5 * size * size, size - 0.5), axis=-1)


# Of errors (..., 2) in crop pixels -> (...); ``distance`` is what NME averages.
PENALTIES: dict[str, Penalty] = {
    "l2": lambda error: 0.5 * ops.mean(ops.square(error), axis=-1),
    "smooth_l1": _smooth_l1,
    "distance": _distance,
}


def spread(n: int) -> Loss:
    """Give the negative logarithm of the likelihood of points' distances, each exponentially distributed.

    Its least value is where the prediction is the logarithm of the distance to expect. Targets are (B, R, 3) as in
    :func:`regression`, of which the first ``n`` rows are used; predictions (B, 3n): the points' residuals, then the
    logarithm of each expected distance, all in crop units.
    """

    def loss(target: Any, predicted: Any) -> Any:
        points, expected = ops.reshape(predicted[:, : 2 * n], (-1, n, 2)), predicted[:, 2 * n :]
        value = _distance(points - target[:, :n, :2]) * ops.exp(-expected) + expected
        return weighted_mean(value, target[:, :n, 2])

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
        return weighted_mean(ops.mean(value, axis=-1), target[..., -1])

    return loss
