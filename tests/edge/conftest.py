"""One tiny int8 model whose answers are known, made once for all tests."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.card import InputSpec, ModelCard, OutputSpec, attach_card
from facewire_edge.schema import POINTS5

SIDE = 32
MEAN = np.array([[0.3, 0.25], [0.7, 0.25], [0.5, 0.45], [0.35, 0.6], [0.65, 0.6]], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Tiny:
    """Hold the model: its landmarks are the mean red, green, blue, red, ... in [-1, 1], its presence follows red."""

    path: Path
    card: ModelCard
    flatbuffer: bytes


def convert() -> bytes:
    """Make the flatbuffer: the mean colour, then two dense layers."""
    import tensorflow as tf

    colours = np.resize(np.eye(3, dtype=np.float32), (10, 3)).T
    red = np.array([[4], [0], [0]], np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32)])
    def network(image):  # type: ignore[no-untyped-def]
        mean = tf.reduce_mean(image, [1, 2])
        return {"landmarks": mean @ colours, "presence": tf.sigmoid(mean @ red)}

    levels = np.linspace(-1, 1, 9, dtype=np.float32)
    samples = [np.full((1, SIDE, SIDE, 3), level, np.float32) for level in levels]
    holder = tf.Module()
    holder.network = network
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], holder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
    return bytes(converter.convert())


def tiny_card(flatbuffer: bytes) -> ModelCard:
    """Name the output tensors, which only their shapes tell apart."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=flatbuffer).get_output_details()
    names = {tuple(d["shape"].tolist()): str(d["name"]) for d in details}
    shapes = {"landmarks": (1, 10), "presence": (1, 1)}
    return ModelCard(
        kind="landmarks",
        name="tiny",
        input=InputSpec(SIDE, SIDE),
        outputs={name: OutputSpec(names[shape], shape) for name, shape in shapes.items()},
        schema=POINTS5,
        mean_shape=MEAN,
        mean_points5=MEAN,
        metrics={"nme_percent": 4.2},
        data=({"name": "made up", "terms": "free"},),
        terms="free for all",
        version="0.0.1",
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    pytest.importorskip("tensorflow", reason="the tiny model is made with TensorFlow; devices have none")
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # TensorFlow's own
        flatbuffer = convert()
    path = tmp_path_factory.mktemp("tiny") / "tiny.tflite"
    return Tiny(path, attach_card(flatbuffer, tiny_card(flatbuffer), path), flatbuffer)
