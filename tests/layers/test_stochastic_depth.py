import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution import layers

BRANCH = 1 + np.abs(np.random.default_rng(0).standard_normal((400, 2, 3, 4), np.float32))


def dropped(rate, *, train=True, seed=0):
    """What each image's branch is multiplied by, if it is one number; as (N, H, W, C)."""
    layer = layers.stochastic_depth(rate, train=train)
    return np.asarray(layer.apply({}, BRANCH, rngs={"dropout": jax.random.key(seed)})) / BRANCH


def test_a_branch_is_dropped_or_kept_as_a_whole():
    factors = dropped(0.2)
    assert np.allclose(factors, factors[:, :1, :1, :1])
    assert np.unique(factors.round(4)).tolist() == [0, 1.25]


def test_the_mean_stays_the_same():
    factors = dropped(0.2)[:, 0, 0, 0]
    assert abs((factors == 0).mean() - 0.2) < 3 * (0.2 * 0.8 / len(factors)) ** 0.5
    assert abs(factors.mean() - 1) < 0.1


def test_another_key_drops_others():
    assert not np.array_equal(dropped(0.5, seed=0), dropped(0.5, seed=1))


def test_nothing_is_dropped_at_rate_zero_or_in_evaluation():
    assert np.array_equal(dropped(0.0), np.ones_like(BRANCH))
    assert np.array_equal(dropped(0.5, train=False), np.ones_like(BRANCH))


def test_everything_is_dropped_at_rate_one():
    assert not dropped(1.0).any()


def test_half_precision_stays():
    layer = layers.stochastic_depth(0.5, train=True)
    y = layer.apply({}, jnp.asarray(BRANCH, jnp.bfloat16), rngs={"dropout": jax.random.key(0)})
    assert y.dtype == jnp.bfloat16


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match=f"rate is {rate}; expected a probability from 0"):
        layers.stochastic_depth(rate, train=True)
