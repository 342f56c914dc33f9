"""Give a fully convolutional detector another input size."""

from __future__ import annotations

from dataclasses import replace

import keras
from facewire_edge.card import InputSpec, OutputSpec, expected_shapes
from facewire_edge.errors import UsageError
from facewire_train.checkpoint import Checkpoint


def resized(checkpoint: Checkpoint, width: int, height: int) -> Checkpoint:
    """Give the same detector for pictures of ``width`` x ``height``.

    Raises:
        UsageError: the model is no detector, or the size is no multiple of its largest stride.

    """
    detector = checkpoint.card.detector
    if detector is None:
        raise UsageError(f"--size {width}x{height}: {checkpoint.path} is no detector; its input size is part of it")
    stride = max(detector.strides)
    if width % stride or height % stride or min(width, height) < stride:
        raise UsageError(f"--size {width}x{height}: expected multiples of {stride}, the detector's largest stride")
    card = replace(checkpoint.card, input=InputSpec(width, height))
    outputs = {name: OutputSpec(name, shape) for name, shape in expected_shapes(card, card.name).items()}
    model = keras.models.clone_model(checkpoint.model, input_tensors=keras.Input((height, width, 3), name="image"))
    model.set_weights(checkpoint.model.get_weights())
    return Checkpoint(model, replace(card, outputs=outputs), checkpoint.path)
