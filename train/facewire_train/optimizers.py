"""The optimizers that a configuration can choose; each keeps a moving average of the weights beside them."""

from __future__ import annotations

from typing import Any

import keras

MOMENTUM = 0.9  # of SGD, with Nesterov's look-ahead


class _Averaging:
    """Keep the moving average beside the weights; Keras alone puts it in their place after every ``fit``."""

    def finalize_variable_values(self, var_list: Any) -> None:
        """Leave the weights alone at the end of an epoch."""

    def put_average(self, variables: Any) -> None:
        """Overwrite the weights with their average."""
        super().finalize_variable_values(variables)  # type: ignore[misc]  # of the Keras optimizer beside it


class AveragingAdamW(_Averaging, keras.optimizers.AdamW):  # type: ignore[misc]  # Keras is not typed
    """Adam whose weights decay apart from its steps."""


class AveragingAdam(_Averaging, keras.optimizers.Adam):  # type: ignore[misc]
    """Adam without decay."""


class AveragingSGD(_Averaging, keras.optimizers.SGD):  # type: ignore[misc]
    """Gradient descent with momentum."""


def make_optimizer(name: str, schedule: Any, weight_decay: float, **settings: Any) -> Any:
    """Give an optimizer of ``OPTIMIZERS``; norms and biases do not decay, and Adam decays nothing."""
    if name == "sgd":
        settings |= {"momentum": MOMENTUM, "nesterov": True}
    if name != "adam":
        settings["weight_decay"] = weight_decay
    optimizer: Any = OPTIMIZERS[name](schedule, use_ema=True, **settings)
    if name != "adam":
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


OPTIMIZERS = {"adamw": AveragingAdamW, "adam": AveragingAdam, "sgd": AveragingSGD}
