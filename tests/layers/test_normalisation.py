import functools

import flax.linen as nn
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


@pytest.mark.parametrize("size", [1, 4, 5])
def test_the_gradient_of_neighbours_that_differ_in_number_before_and_after(size):
    x, dy = (3 * jax.random.normal(jax.random.key(seed), (2, 3, 3, 7)) for seed in (0, 1))

    def divided(x):
        squares = jnp.pad(x**2, ((0, 0), (0, 0), (0, 0), (size // 2, (size - 1) // 2)))
        return x / (2 + 0.1 * sum(squares[..., i : i + 7] for i in range(size))) ** 0.75

    found, expected = (
        jax.vjp(f, x)[1](dy)[0] for f in (lambda x: layers.local_response_norm(x, size=size, alpha=0.1), divided)
    )
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_half_precision_still_feels_its_neighbours():
    x = jnp.full((1, 1, 1, 5), 4.0)
    exact = layers.local_response_norm(x)
    half = layers.local_response_norm(x.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    assert jnp.array_equal(half, exact.astype(jnp.bfloat16))


MAPS = pytest.mark.parametrize("shape", [(8, 4, 5, 3), (16, 3)], ids=["maps", "vectors"])


def maps(*shape):
    """Values whose means are far from 0."""
    return 5 + 2 * jax.random.normal(jax.random.key(0), shape)


def textbook(x, scale, bias, epsilon=1e-5):
    """Ioffe & Szegedy 2015, Algorithm 1."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    var = ((x - mean) ** 2).mean(axes)
    return scale * (x - mean) / jnp.sqrt(var + epsilon) + bias


def trained(norm, x):
    """(output, new statistics) of the first step."""
    y, state = norm.apply(norm.init(jax.random.key(0), x), x, mutable=["batch_stats"])
    return y, state["batch_stats"]


def loss_of(norm, statistics, weights):
    """A loss with a gradient that differs from value to value."""

    def loss(params, x):
        y, _ = norm.apply({"params": params, "batch_stats": statistics}, x, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(y) * weights)

    return loss


def learnt(channels):
    """Parameters and running statistics as after some training."""
    params = {"scale": jnp.linspace(0.5, 2, channels), "bias": jnp.linspace(-1, 1, channels)}
    return params, {"mean": jnp.zeros(channels), "var": jnp.ones(channels)}


def close(a, b, tolerance=1e-5):
    return all(
        jnp.allclose(x, y, rtol=tolerance, atol=tolerance * jnp.abs(y).max())
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@MAPS
def test_training_normalises_by_the_biased_variance_of_the_batch(shape):
    x, (params, statistics) = maps(*shape), learnt(3)
    norm = layers.batch_norm(train=True)
    y, _ = norm.apply({"params": params, "batch_stats": statistics}, x, mutable=["batch_stats"])
    assert close(y, textbook(x, **params))


@MAPS
def test_running_statistics_move_to_the_mean_and_the_unbiased_variance(shape):
    x = maps(*shape)
    _, statistics = trained(layers.batch_norm(train=True, momentum=0.9), x)
    axes = tuple(range(x.ndim - 1))
    assert close(statistics["mean"], 0.1 * x.mean(axes))
    assert close(statistics["var"], 0.9 + 0.1 * x.var(axes, ddof=1))


def test_inference_uses_the_running_statistics():
    x = maps(2, 3, 3, 3)
    params, _ = learnt(3)
    statistics = {"mean": jnp.array([4.0, 5, 6]), "var": jnp.array([1.0, 2, 4])}
    y = layers.batch_norm(train=False, epsilon=0.5).apply({"params": params, "batch_stats": statistics}, x)
    expected = params["scale"] * (x - statistics["mean"]) / jnp.sqrt(statistics["var"] + 0.5) + params["bias"]
    assert close(y, expected)


@MAPS
def test_gradients_are_those_of_the_textbook(shape):
    x, (params, statistics) = maps(*shape), learnt(3)
    weights = jax.random.normal(jax.random.key(1), shape)
    expected = jax.grad(lambda params, x: jnp.sum(jnp.sin(textbook(x, **params)) * weights), (0, 1))(params, x)
    loss = loss_of(layers.batch_norm(train=True), statistics, weights)
    assert close(jax.jit(jax.grad(loss, (0, 1)))(params, x), expected, 1e-4)
    assert close(jax.grad(jax.checkpoint(loss), (0, 1))(params, x), expected, 1e-4)


def test_second_derivatives_are_those_of_the_textbook():
    x, (params, statistics) = maps(4, 2, 2, 3), learnt(3)
    weights = jax.random.normal(jax.random.key(1), x.shape)
    loss = loss_of(layers.batch_norm(train=True), statistics, weights)

    def gradient_norm(loss):
        return lambda x: sum(jnp.sum(g**2) for g in jax.tree.leaves(jax.grad(loss, (0, 1))(params, x)))

    expected = jax.grad(gradient_norm(lambda params, x: jnp.sum(jnp.sin(textbook(x, **params)) * weights)))(x)
    assert close(jax.grad(gradient_norm(loss))(x), expected, 1e-3)


def test_forward_mode_is_refused_in_training():
    x, (params, statistics) = maps(4, 2, 2, 3), learnt(3)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(functools.partial(loss_of(layers.batch_norm(train=True), statistics, 1), params), (x,), (x,))


@pytest.mark.parametrize("mapping", ["vmap", "pmap"])
def test_replicas_share_statistics_and_gradients(mapping):
    x, (params, statistics) = maps(4, 3, 3, 5), learnt(5)
    weights = jax.random.normal(jax.random.key(1), x.shape)
    alone, shared = layers.batch_norm(train=True), layers.batch_norm(train=True, axis_name="batch")

    def step(norm, x, weights):
        variables = {"params": params, "batch_stats": statistics}
        gradients = jax.grad(loss_of(norm, statistics, weights), (0, 1))(params, x)
        return *norm.apply(variables, x, mutable=["batch_stats"]), *gradients

    y, state, for_params, for_x = step(alone, x, weights)
    mapped = {"vmap": jax.vmap, "pmap": jax.pmap}[mapping](functools.partial(step, shared), axis_name="batch")
    halves = mapped(x.reshape(2, 2, 3, 3, 5), weights.reshape(2, 2, 3, 3, 5))
    assert close(halves[0].reshape(x.shape), y)
    assert close(jax.tree.map(lambda a: a[0], halves[1]), state)
    assert close(jax.tree.map(lambda a: a.sum(0), halves[2]), for_params, 1e-4)
    assert close(halves[3].reshape(x.shape), for_x, 1e-4)


def test_a_mean_far_above_the_deviation_costs_few_digits():
    """The difference of the mean square and the squared mean has none left: 1e6 against 1, in 7 digits."""
    x = 1000 + jax.random.normal(jax.random.key(0), (64, 8, 8, 3))
    y, statistics = trained(layers.batch_norm(train=True, momentum=0.0), x)
    exact = np.asarray(x, np.float64)
    assert close(statistics["var"], exact.var((0, 1, 2), ddof=1), 1e-4)
    assert np.allclose(y, (exact - exact.mean((0, 1, 2))) / exact.std((0, 1, 2)), atol=1e-3)


def test_statistics_of_half_precision_are_float32():
    x = maps(8, 4, 4, 3).astype(jnp.bfloat16)
    norm = layers.batch_norm(train=True, momentum=0.0, dtype=jnp.bfloat16)
    y, statistics = trained(norm, x)
    assert y.dtype == jnp.bfloat16
    assert close(statistics["mean"], x.astype(jnp.float32).mean((0, 1, 2)))
    params, running = learnt(3)
    loss = loss_of(norm, running, jnp.ones(x.shape, jnp.bfloat16))
    dtypes = [g.dtype for g in jax.tree.leaves(jax.grad(loss, (0, 1))(params, x))]
    assert dtypes == [jnp.float32, jnp.float32, jnp.bfloat16]


def test_scale_and_bias_can_be_left_out():
    x = maps(8, 4, 4, 3)
    norm = layers.batch_norm(train=True, use_scale=False, use_bias=False)
    assert set(norm.init(jax.random.key(0), x)) == {"batch_stats"}
    assert close(trained(norm, x)[0], textbook(x, 1, 0))


def test_export_for_several_platforms():
    x, (params, statistics) = maps(4, 3, 3, 3), learnt(3)
    program = jax.jit(jax.grad(loss_of(layers.batch_norm(train=True), statistics, 1), 1))
    exported = jax.export.export(program, platforms=["cpu", "cuda", "tpu"])(params, x)
    assert close(exported.call(params, x), program(params, x))


def test_a_single_value_has_no_variance():
    norm = layers.batch_norm(train=True)
    variables = norm.init(jax.random.key(0), jnp.ones((1, 3)))  # initialisation needs only the shape
    with pytest.raises(ValueError, match=r"a map of shape \(1, 3\) has no variance"):
        norm.apply(variables, jnp.ones((1, 3)), mutable=["batch_stats"])


class Pair(nn.Module):
    """Two normalisations, of which one may be fixed."""

    fixed_at: frozenset[str]

    @nn.compact
    def __call__(self, x):
        for name in ("bn1", "bn2"):
            x = layers.BatchNorm(train=True, fixed_at=self.fixed_at, name=name)(x)
        return x


def test_a_fixed_layer_uses_and_keeps_its_running_statistics_in_training_and_no_other_does():
    x = maps(8, 4, 5, 3)
    variables = Pair(frozenset()).init(jax.random.key(0), x)
    (free, fixed), states = zip(
        *(Pair(paths).apply(variables, x, mutable=["batch_stats"]) for paths in (frozenset(), frozenset({"bn2"}))),
        strict=True,
    )
    first = textbook(x, 1.0, 0.0)
    assert np.allclose(free, textbook(first, 1.0, 0.0), atol=1e-4)
    assert np.allclose(fixed, first / np.sqrt(1 + 1e-5), atol=1e-4)  # running mean 0 and variance 1
    moved, kept = (state["batch_stats"]["bn2"]["mean"] for state in states)
    assert np.array_equal(kept, np.zeros(3)) and not np.array_equal(moved, kept)
    assert np.array_equal(states[0]["batch_stats"]["bn1"]["mean"], states[1]["batch_stats"]["bn1"]["mean"])
