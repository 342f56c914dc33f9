"""Our batch norm is Keras' own, only faster."""

import keras
import numpy as np
from facewire_train.norm import MOMENTUM, BatchNorm


def trained(layer: keras.layers.Layer) -> tuple[list[np.ndarray], np.ndarray]:
    """Take three steps of a convolution and the norm after it; give the weights and what is inferred then."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layer(keras.layers.Conv2D(5, 3)(inputs)))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    rng = np.random.default_rng(4)
    for _ in range(3):
        model.train_on_batch(rng.normal(2, 3, (16, 8, 8, 3)).astype(np.float32), np.ones((16, 6, 6, 5), np.float32))
    return model.get_weights(), model.predict(np.ones((1, 8, 8, 3), np.float32), verbose=0)


def test_a_batch_norm_learns_and_infers_as_keras_own() -> None:
    ours, seen = trained(BatchNorm())
    theirs, expected = trained(keras.layers.BatchNormalization(momentum=MOMENTUM))
    assert len(ours) == len(theirs) == 6
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-3, atol=1e-4)  # ours averages the unbiased variance
    np.testing.assert_allclose(seen, expected, rtol=2e-3, atol=1e-4)
