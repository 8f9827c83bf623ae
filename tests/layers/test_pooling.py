"""Max-pooling equals XLA's, values and gradient, ties included; average pooling counts as torch does."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax import lax

from cnn_evolution.layers import avg_pool, max_pool, plain_convolutions
from tests.tiers import exhaustive


def small_integers(*shape, dtype=jnp.float32, seed=0):
    """Few distinct values, so that most windows have several maxima; sums of gradients are exact."""
    return jnp.asarray(np.random.default_rng(seed).integers(-3, 3, size=shape), dtype)


def value_and_gradient(x, **options):
    def run(x):
        y, vjp = jax.vjp(lambda x: max_pool(x, **options), x)
        return y, *vjp(small_integers(*y.shape, dtype=y.dtype, seed=7))

    return jax.jit(run)(x)


def assert_same(x, **options):
    actual = value_and_gradient(x, **options)
    with plain_convolutions():
        expected = value_and_gradient(x, **options)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == e.dtype
        np.testing.assert_array_equal(np.asarray(a, np.float32), np.asarray(e, np.float32))


@st.composite
def pools(draw):
    """(map shape, options) in which every window sees a pixel."""
    window = tuple(draw(st.integers(1, 5)) for _ in range(2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in window)
    options = {
        "window": window,
        "stride": tuple(draw(st.integers(1, 4)) for _ in range(2)),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    shape = [k - p + draw(st.integers(0, 8)) for k, p in zip(window, padding, strict=True)]
    return (draw(st.integers(1, 3)), *shape, draw(st.integers(1, 4))), options


@exhaustive
@settings(deadline=None, max_examples=50, derandomize=True)
@given(pools(), st.sampled_from([jnp.float32, jnp.bfloat16]))
def test_equals_lax_for_any_shape(pool, dtype):
    shape, options = pool
    assert_same(small_integers(*shape, dtype=dtype), **options)


def test_large_windows_are_left_to_lax():
    x = small_integers(1, 13, 13, 2)
    assert "platform_index" not in str(jax.make_jaxpr(lambda x: max_pool(x, 12, 1))(x))
    assert_same(x, window=12, stride=1)


def test_transformations():
    x = small_integers(2, 3, 9, 9, 4)
    gradient = jax.grad(lambda x: jnp.sum(jnp.sin(max_pool(x, 3, 2, 1))))
    expected = jnp.stack([gradient(x[0]), gradient(x[1])])
    np.testing.assert_allclose(jax.vmap(gradient)(x), expected, atol=1e-6)
    np.testing.assert_allclose(jax.pmap(gradient)(x[:1]), expected[:1], atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.checkpoint(gradient))(x[0]), expected[0], atol=1e-6)
    assert jax.eval_shape(lambda x: max_pool(x, 3, 2), x[0]).shape == (3, 4, 4, 4)


def test_each_platform_gets_its_own_form():
    program = jax.jit(jax.grad(lambda x: jnp.sum(max_pool(x, 3, 2))))
    x = small_integers(1, 9, 9, 4)
    assert "select_and_scatter" in jax.export.export(program, platforms=["tpu"])(x).mlir_module()
    assert "select_and_scatter" not in jax.export.export(program, platforms=["cpu"])(x).mlir_module()


def test_second_derivative():
    x = small_integers(1, 7, 7, 2)

    def norm(x):
        return jnp.sum(jnp.square(jax.grad(lambda x: jnp.sum(jnp.sin(max_pool(x, 3, 2))))(x)))

    actual = jax.grad(norm)(x)
    with plain_convolutions():
        np.testing.assert_allclose(actual, jax.grad(norm)(x), atol=1e-5)


def test_forward_mode_raises():
    x = small_integers(1, 7, 7, 2)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda x: max_pool(x, 2), (x,), (x,))


def test_average_counts_padding_or_not():
    x = jnp.ones((1, 4, 4, 1))
    corner = avg_pool(x, 3, 1, 1)[0, 0, 0, 0], avg_pool(x, 3, 1, 1, count_include_pad=False)[0, 0, 0, 0]
    np.testing.assert_allclose(corner, (4 / 9, 1))


@pytest.mark.parametrize("size", [1, 6, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_pads_by_tensorflows_rule_where_it_is_named(size, stride):
    x = small_integers(1, size, size, 2)
    windows, strides, inside = (1, 3, 3, 1), (1, stride, stride, 1), jnp.ones_like(x)
    sums, counts = (lax.reduce_window(y, 0.0, lax.add, windows, strides, "SAME") for y in (x, inside))
    np.testing.assert_allclose(avg_pool(x, 3, stride, "SAME", count_include_pad=False), sums / counts, rtol=1e-6)
    np.testing.assert_allclose(avg_pool(x, 3, stride, "SAME"), sums / 9, rtol=1e-6)
    maxima = lax.reduce_window(x, -jnp.inf, lax.max, windows, strides, "SAME")
    np.testing.assert_array_equal(max_pool(x, 3, stride, "SAME"), maxima)


def test_average_never_counts_the_border_of_ceil_mode():
    np.testing.assert_allclose(avg_pool(jnp.ones((1, 6, 6, 1)), 3, 2, ceil_mode=True), jnp.ones((1, 3, 3, 1)))


def test_average_has_a_gradient_under_jit():
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(avg_pool(x, 2))))(jnp.ones((1, 4, 4, 3)))
    np.testing.assert_allclose(gradient, jnp.full((1, 4, 4, 3), 0.25))
