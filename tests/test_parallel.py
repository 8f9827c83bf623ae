"""Predictions are mapped over devices whatever the number of a network's arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution.parallel import map_prediction


@pytest.mark.parametrize("arrays", [1, 2, 3])
@pytest.mark.parametrize("frozen", [None, 2.0])
def test_only_the_batch_is_split(arrays, frozen):
    devices = jax.local_device_count()
    variables = {str(i): jnp.arange(devices) + i for i in range(arrays)}  # as long as there are devices

    def predict(variables, batch, frozen):
        return batch * sum(jax.tree.leaves(variables)) * (1.0 if frozen is None else frozen)

    batch = np.arange(devices * 3 * devices, dtype=np.float32).reshape(devices, 3, devices)
    expected = [predict(variables, share, frozen) for share in batch]
    np.testing.assert_array_equal(map_prediction(predict)(variables, batch, frozen), expected)
