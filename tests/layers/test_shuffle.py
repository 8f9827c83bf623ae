import jax.numpy as jnp
import pytest

from cnn_evolution import layers


def test_channels_of_the_groups_take_turns():
    x = jnp.arange(6).reshape(1, 1, 1, 6)
    assert layers.channel_shuffle(x, 2).ravel().tolist() == [0, 3, 1, 4, 2, 5]
    assert layers.channel_shuffle(x, 3).ravel().tolist() == [0, 2, 4, 1, 3, 5]


def test_pixels_stay_where_they_are():
    x = jnp.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    assert jnp.array_equal(layers.channel_shuffle(x, 2)[..., 0], x[..., 0])


def test_shuffling_by_the_complement_is_the_inverse():
    x = jnp.arange(12).reshape(1, 1, 1, 12)
    assert jnp.array_equal(layers.channel_shuffle(layers.channel_shuffle(x, 3), 4), x)


def test_channels_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="10 channels do not divide into 4 groups"):
        layers.channel_shuffle(jnp.zeros((1, 1, 1, 10)), 4)
