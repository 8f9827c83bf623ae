import jax
import jax.numpy as jnp
import pytest

from cnn_evolution import layers


@pytest.mark.parametrize("channels, squeezed", [(64, 4), (8, 1)])
def test_channels_are_gated_by_a_number_between_zero_and_one(channels, squeezed):
    x = 1 + jnp.abs(jax.random.normal(jax.random.key(0), (2, 3, 3, channels)))
    y, variables = jax.jit(layers.SqueezeExcite().init_with_output)(jax.random.key(1, impl="rbg"), x)
    assert variables["params"]["squeeze"]["kernel"].shape == (channels, squeezed)
    gate = y / x
    assert ((gate > 0) & (gate < 1)).all()
    assert jnp.allclose(gate, gate[:, :1, :1])


def test_a_shifted_image_is_gated_alike():
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 32))
    module = layers.SqueezeExcite()
    variables = jax.jit(module.init)(jax.random.key(1, impl="rbg"), x)
    shifted = module.apply(variables, jnp.roll(x, 1, axis=1))
    assert jnp.allclose(shifted, jnp.roll(module.apply(variables, x), 1, axis=1), atol=1e-6)
