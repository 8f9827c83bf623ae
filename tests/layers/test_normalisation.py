import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution import layers


@pytest.mark.parametrize("channels", [3, 8])
@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_responses_are_divided_by_their_neighbours(channels, beta):
    """Krizhevsky et al. 2012, section 3.3, written as the sum that it is."""
    x = np.asarray(100 * jax.random.normal(jax.random.key(0), (1, 2, 2, channels)))
    expected = np.empty_like(x)
    for i in range(channels):
        neighbours = x[..., max(0, i - 2) : min(channels - 1, i + 2) + 1]
        expected[..., i] = x[..., i] / (2 + 1e-4 * (neighbours**2).sum(-1)) ** beta
    assert np.allclose(layers.local_response_norm(jnp.asarray(x), beta=beta), expected, rtol=1e-5)


def test_half_precision_still_feels_its_neighbours():
    x = jnp.full((1, 1, 1, 5), 4.0)
    exact = layers.local_response_norm(x)
    half = layers.local_response_norm(x.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    assert jnp.array_equal(half, exact.astype(jnp.bfloat16))


def test_running_statistics_keep_the_share_that_momentum_says():
    x = 5 + 2 * jax.random.normal(jax.random.key(0), (8, 4, 4, 3))
    norm = layers.batch_norm(train=True, momentum=0.9)
    variables = norm.init(jax.random.key(0), x)
    y, state = norm.apply(variables, x, mutable=["batch_stats"])
    assert jnp.allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    assert jnp.allclose(state["batch_stats"]["mean"], 0.1 * x.mean((0, 1, 2)), rtol=1e-4)
    assert jnp.allclose(state["batch_stats"]["var"], 0.9 + 0.1 * x.var((0, 1, 2)), rtol=1e-3)
