import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution import layers


def test_bins_of_fourteen_pixels_overlap():
    x = jnp.arange(14.0).reshape(1, 14, 1, 1).repeat(14, 2)
    pooled = layers.adaptive_avg_pool(x, 4)[0, :, 0, 0]
    assert jnp.allclose(pooled, jnp.array([np.mean(range(*bin)) for bin in ((0, 4), (3, 7), (7, 11), (10, 14))]))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_multiple_of_the_size_is_plain_pooling(factor):
    x = jax.random.normal(jax.random.key(0), (2, 4 * factor, 4 * factor, 3))
    assert jnp.allclose(layers.adaptive_avg_pool(x, 4), layers.avg_pool(x, factor), atol=1e-6)


def test_pixels_of_a_smaller_map_are_repeated():
    x = jax.random.normal(jax.random.key(0), (1, 2, 1, 3))
    assert jnp.allclose(layers.adaptive_avg_pool(x, 4), x.repeat(2, 1).repeat(4, 2))


def test_precision_is_kept():
    assert layers.adaptive_avg_pool(jnp.ones((1, 7, 5, 2), jnp.bfloat16), 4).dtype == jnp.bfloat16
