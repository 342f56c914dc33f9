"""What int8 shifts on average is put back."""

from typing import Any

import numpy as np
from facewire_convert.bias import int8_output, shifted, unbiased
from facewire_convert.flatbuffer import read_graph
from facewire_train.evaluate import keras_runner


def test_a_shift_moves_every_row_by_as_much(conversion: Any) -> None:
    images = conversion.calibration.images[:8]
    wanted = np.linspace(-0.05, 0.05, 10).astype(np.float32)
    step = read_graph(conversion.flatbuffer, "tiny").outputs["landmarks"].scales[0]
    before = int8_output(conversion.flatbuffer, "landmarks", images)
    after = int8_output(shifted(conversion.flatbuffer, "landmarks", wanted), "landmarks", images)
    np.testing.assert_allclose(after - before, np.tile(wanted, (8, 1)), atol=1.01 * step)


def test_on_average_int8_is_float(conversion: Any) -> None:
    images = conversion.calibration.images
    spoiled = shifted(conversion.flatbuffer, "landmarks", np.full(10, 0.03, np.float32))
    mended = unbiased(spoiled, "landmarks", conversion.checkpoint, images)
    floats = keras_runner(conversion.checkpoint.model)(images)
    faces = floats["presence"][:, 0] >= 0.5
    error = floats["landmarks"][faces] - int8_output(mended, "landmarks", images[faces])
    step = read_graph(conversion.flatbuffer, "tiny").outputs["landmarks"].scales[0]
    assert np.abs(error.mean(axis=0)).max() < 0.5 * step
    assert len(mended) == len(conversion.flatbuffer)
