import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution import layers

X = 5 + 2 * jax.random.normal(jax.random.key(0), (3, 4, 5, 6))


def test_images_are_normalised_by_groups_of_channels():
    """Wu & He 2018, section 3, written as the sums that they are."""
    norm = layers.group_norm(3)(train=True, dtype=jnp.float32, name="bn1")
    params = {"scale": jnp.linspace(0.5, 2, 6), "bias": jnp.linspace(-1, 1, 6)}
    groups = np.asarray(X, np.float64).reshape(3, 20, 3, 2)
    mean, var = groups.mean((1, 3), keepdims=True), groups.var((1, 3), keepdims=True)
    expected = ((groups - mean) / np.sqrt(var + 1e-5)).reshape(X.shape) * params["scale"] + params["bias"]
    assert np.allclose(norm.apply({"params": params}, X), expected, atol=1e-5)


def test_group_normalisation_has_32_groups_unless_told_and_no_statistics():
    norm = layers.group_norm()(train=True, dtype=jnp.float32, name="bn1")
    variables = norm.init(jax.random.key(0), jnp.ones((1, 2, 2, 64)))
    assert jax.tree.map(jnp.shape, variables) == {"params": {"scale": (64,), "bias": (64,)}}
    assert norm.num_groups == 32


def test_group_normalisation_computes_in_float32_and_returns_the_dtype():
    x = (1000 + jax.random.normal(jax.random.key(0), (2, 8, 8, 4))).astype(jnp.bfloat16)
    y = layers.group_norm(2)(train=False, dtype=jnp.bfloat16, name=None).apply(
        {"params": {"scale": jnp.ones(4), "bias": jnp.zeros(4)}}, x
    )
    assert y.dtype == jnp.bfloat16
    groups = np.asarray(x, np.float64).reshape(2, 64, 2, 2)
    expected = (groups - groups.mean((1, 3), keepdims=True)) / np.sqrt(groups.var((1, 3), keepdims=True) + 1e-5)
    assert np.allclose(np.asarray(y, np.float32), expected.reshape(x.shape), atol=0.02)


@pytest.mark.parametrize("channels, groups, largest", [(24, 32, 24), (48, 32, 24), (7, 2, 1)])
def test_channels_divide_into_groups(channels, groups, largest):
    norm = layers.group_norm(groups)(train=True, dtype=jnp.float32, name="bn1")
    message = f"{channels} channels of bn1 do not divide into {groups} groups; expected {largest} groups"
    with pytest.raises(ValueError, match=message):
        norm.init(jax.random.key(0), jnp.ones((1, 2, 2, channels)))


@pytest.mark.parametrize("groups", [0, -4])
def test_there_is_at_least_one_group(groups):
    with pytest.raises(ValueError, match=f"groups is {groups}; expected at least 1"):
        layers.group_norm(groups)


LEARNT = {
    "params": {"scale": jnp.linspace(0.5, 2, 6), "bias": jnp.linspace(-1, 1, 6)},
    "batch_stats": {"mean": jnp.linspace(4, 6, 6), "var": jnp.linspace(1, 5, 6)},
}


def test_frozen_normalisation_in_training_is_batch_normalisation_in_evaluation():
    frozen, published = layers.frozen_batch_norm(train=True, epsilon=0.1), layers.BatchNorm(train=False, epsilon=0.1)
    y, state = frozen.apply(LEARNT, X, mutable=["batch_stats"])
    assert jnp.array_equal(y, published.apply(LEARNT, X))
    assert jax.tree.all(jax.tree.map(jnp.array_equal, state["batch_stats"], LEARNT["batch_stats"]))


def test_frozen_normalisation_has_the_variables_of_batch_normalisation():
    shapes = [
        jax.tree.map(jnp.shape, norm(train=True).init(jax.random.key(0), X))
        for norm in (layers.frozen_batch_norm, layers.BatchNorm)
    ]
    assert shapes[0] == shapes[1]


def test_gradients_flow_through_frozen_normalisation_and_not_into_it():
    norm = layers.frozen_batch_norm(train=True)
    by_variables, by_x = jax.grad(lambda variables, x: norm.apply(variables, x).sum(), (0, 1))(LEARNT, X)
    assert not any(leaf.any() for leaf in jax.tree.leaves(by_variables))
    factor = LEARNT["params"]["scale"] / jnp.sqrt(LEARNT["batch_stats"]["var"] + 1e-5)
    assert jnp.allclose(by_x, jnp.broadcast_to(factor, X.shape))


def test_frozen_normalisation_returns_the_dtype():
    y = layers.frozen_batch_norm(train=True, dtype=jnp.bfloat16).apply(LEARNT, X)
    assert y.dtype == jnp.bfloat16


def test_forward_mode_is_defined_in_frozen_normalisation():
    norm = layers.frozen_batch_norm(train=True)
    y, tangent = jax.jvp(lambda x: norm.apply(LEARNT, x), (X,), (X,))
    assert y.shape == tangent.shape
