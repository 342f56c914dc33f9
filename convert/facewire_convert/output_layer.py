"""Find the layer that computes an output."""

from __future__ import annotations

from facewire_edge.errors import ModelError

from facewire_convert.flatbuffer import Graph, Operation, Tensor

REQUANTISING = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
NO_ACTIVATION = 0
PASSING = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")  # their output must have the scale of their input


def output_layer(graph: Graph, output: str) -> tuple[Operation, list[Tensor]]:
    """Give that layer, and the tensors from the output back to the layer's own: the output's and those passed on.

    Raises:
        ModelError: the output does not come straight out of a convolution or dense layer without activation.

    """
    tensors = [graph.outputs[output]]
    while (producer := graph.producer(tensors[-1])) is not None and producer.name in PASSING:
        tensors.append(producer.inputs[0])
    found = "nothing" if producer is None else producer.name
    if producer is None or found not in REQUANTISING or producer.options.fusedActivationFunction != NO_ACTIVATION:
        raise ModelError(
            f"output {output!r} comes from {found}, expected a dense layer or a convolution without activation; "
            "a network with heat maps (model.heat_maps) is for `facewire-train fill` alone"
        )
    return producer, tensors
