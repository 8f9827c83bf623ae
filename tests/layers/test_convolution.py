"""The convolution equals XLA's: its values, both gradients, and under every transformation."""

import functools

import flax.linen as nn
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax import lax

from cnn_evolution.layers import conv, convolve, plain_convolutions
from cnn_evolution.xla_cpu import Problem, Window
from cnn_evolution.xla_cpu.strategies import FORWARD, WEIGHT_GRADIENT, choose
from tests.tiers import exhaustive

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def convolutions(strides=(1, 1), padding=((0, 0), (0, 0)), groups=1, **options):
    """(ours, XLA's) with the same settings."""
    settings = {
        "window_strides": strides,
        "dimension_numbers": DIMENSIONS,
        "feature_group_count": groups,
        **options,
    }
    ours = functools.partial(convolve, padding=padding, **settings)
    if isinstance(padding, str):
        return ours, functools.partial(lax.conv_general_dilated, padding=padding, **settings)

    # XLA's own gradient is wrong where the padding of one side exceeds the kernel, unless a map is padded before.
    def lax_convolution(x, kernel):
        padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
        return lax.conv_general_dilated(padded, kernel, padding=((0, 0), (0, 0)), **settings)

    return ours, lax_convolution


def normal(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def assert_close(actual, expected, tolerance=1e-5):
    """Equal within `tolerance` of the largest value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1e-6))


def value_and_gradients(convolution, x, kernel):
    """The output and the gradients of both operands for one fixed random gradient of the output."""

    @jax.jit
    def run(x, kernel):
        y, vjp = jax.vjp(convolution, x, kernel)
        return y, *vjp(normal(*y.shape, seed=7, dtype=y.dtype))

    return run(x, kernel)


def assert_same(pair, x, kernel, tolerance=1e-5):
    for actual, expected in zip(
        value_and_gradients(pair[0], x, kernel), value_and_gradients(pair[1], x, kernel), strict=True
    ):
        assert actual.dtype == expected.dtype
        assert_close(actual, expected, tolerance)


@st.composite
def cases(draw):
    """A random convolution whose output is not empty: (map shape, kernel shape, strides, padding, groups)."""
    size = [draw(st.integers(1, 5)) for _ in range(2)]
    strides = tuple(draw(st.integers(1, 4)) for _ in range(2))
    padding = tuple((draw(st.integers(0, 6)), draw(st.integers(0, 6))) for _ in range(2))
    shape = [max(1, k - sum(pads)) + draw(st.integers(0, 9)) for k, pads in zip(size, padding, strict=True)]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 6]))
    channels, features = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    if groups > 1 and draw(st.booleans()):
        channels = features = 1  # depthwise
    return (
        (draw(st.integers(1, 3)), *shape, channels * groups),
        (*size, channels, features * groups),
        strides,
        padding,
        groups,
    )


@exhaustive
@settings(deadline=None, max_examples=60, derandomize=True)
@given(cases())
def test_equals_lax_for_any_shape(case):
    x_shape, kernel_shape, strides, padding, groups = case
    pair = convolutions(strides, padding, groups)
    assert_same(pair, normal(*x_shape), normal(*kernel_shape, seed=1))


@exhaustive
@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    size=st.tuples(st.integers(9, 14), st.integers(9, 14)),
    padding=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
    channels=st.tuples(st.sampled_from([64, 144]), st.sampled_from([64, 160])),
)
def test_equals_lax_for_3x3_kernels_of_many_channels(size, padding, channels):
    x, kernel = normal(8, *size, channels[0]), normal(3, 3, *channels, seed=1)
    problem = Problem.of(x, kernel, Window((3, 3), (1, 1), padding, size), groups=1)
    assert choose(FORWARD, problem).name == choose(WEIGHT_GRADIENT, problem).name == "winograd"
    assert_same(convolutions((1, 1), padding), x, kernel)


# The branches that small random shapes do not reach, by the layer they are for.
LAYERS = {
    "3x3": ((4, 12, 12, 32), (3, 3, 32, 64), 1, 1, 1),
    "3x3 of many channels on an odd map": ((4, 13, 9, 64), (3, 3, 64, 128), 1, 1, 1),
    "3x3 on few tiles": ((2, 12, 12, 128), (3, 3, 128, 128), 1, 1, 1),
    "3x3 in parts of the batch": ((6, 56, 56, 128), (3, 3, 128, 128), 1, 1, 1),
    "3x3, gradient in parts of the batch": ((32, 24, 24, 16), (3, 3, 16, 32), 1, 1, 1),
    "3x3 on 2x2": ((4, 2, 2, 512), (3, 3, 512, 256), 1, 1, 1),
    "3x3/2": ((2, 13, 13, 256), (3, 3, 256, 256), 2, 1, 1),
    "1x1": ((4, 14, 14, 256), (1, 1, 256, 64), 1, 0, 1),
    "1x1/2 projection": ((2, 14, 14, 64), (1, 1, 64, 128), 2, 0, 1),
    "AlexNet's stem": ((2, 67, 67, 3), (11, 11, 3, 96), 4, 0, 1),
    "AlexNet's second convolution": ((2, 13, 13, 96), (5, 5, 48, 256), 1, 2, 2),
    "ResNet's stem": ((2, 64, 64, 3), (7, 7, 3, 64), 2, 3, 1),
    "MobileNet's stem": ((2, 31, 31, 3), (3, 3, 3, 32), 2, 1, 1),
    "ResNeXt": ((2, 14, 14, 128), (3, 3, 4, 128), 2, 1, 32),
    "ResNeXt, last stage": ((2, 7, 7, 128), (3, 3, 32, 128), 1, 1, 4),
    "MobileNet": ((2, 15, 15, 48), (3, 3, 1, 48), 2, 1, 48),
    "MnasNet, 5x5": ((4, 15, 15, 24), (5, 5, 1, 24), 1, 2, 24),
    "channel multiplier": ((2, 9, 9, 6), (3, 3, 1, 18), 1, 1, 6),
    "3x3 with more padding than its gradient needs": ((2, 9, 9, 32), (3, 3, 32, 16), 1, ((2, 0), (3, 1)), 1),
    "whole map": ((4, 6, 6, 64), (6, 6, 64, 128), 1, 0, 1),
}


def pads(padding):
    return ((padding, padding),) * 2 if isinstance(padding, int) else padding


@pytest.mark.parametrize("layer", LAYERS)
def test_equals_lax_for_the_layers_of_real_networks(layer):
    x_shape, kernel_shape, stride, padding, groups = LAYERS[layer]
    pair = convolutions((stride, stride), pads(padding), groups)
    assert_same(pair, normal(*x_shape), normal(*kernel_shape, seed=1))


@exhaustive
@pytest.mark.parametrize("layer", LAYERS)
def test_bfloat16_is_as_exact_as_its_digits(layer):
    x_shape, kernel_shape, stride, padding, groups = LAYERS[layer]
    ours, lax_convolution = convolutions((stride, stride), pads(padding), groups)
    x, kernel = normal(*x_shape, dtype=jnp.bfloat16), normal(*kernel_shape, seed=1, dtype=jnp.bfloat16)
    exact = value_and_gradients(lax_convolution, x.astype(jnp.float32), kernel.astype(jnp.float32))
    for actual, expected in zip(value_and_gradients(ours, x, kernel), exact, strict=True):
        assert actual.dtype == jnp.bfloat16
        assert_close(actual, expected, tolerance=1e-2)


def test_float64_keeps_its_digits():
    with jax.enable_x64(True):
        x, kernel = normal(4, 12, 12, 128, dtype=jnp.float64), normal(3, 3, 128, 128, seed=1, dtype=jnp.float64)
        assert_same(convolutions((1, 1), ((1, 1), (1, 1))), x, kernel, tolerance=1e-13)


FALL_BACKS = {
    "kernel dilation": ({"rhs_dilation": (2, 2)}, jnp.float32),
    "input dilation": ({"lhs_dilation": (2, 2)}, jnp.float32),
    "accumulation type": ({"preferred_element_type": jnp.float32}, jnp.bfloat16),
    "integers": ({}, jnp.int32),
}


@pytest.mark.parametrize("case", FALL_BACKS)
def test_leaves_the_rest_to_lax(case):
    options, dtype = FALL_BACKS[case]
    ours, lax_convolution = convolutions(**options)
    x, kernel = normal(2, 8, 8, 4, dtype=dtype), normal(3, 3, 4, 5, dtype=dtype)
    assert "platform_index" not in str(jax.make_jaxpr(ours)(x, kernel))
    assert_close(ours(x, kernel), lax_convolution(x, kernel))


def test_leaves_other_layouts_to_lax():
    x, kernel = normal(2, 4, 8, 8), normal(5, 4, 3, 3)
    assert_close(
        convolve(x, kernel, (1, 1), [(1, 1), (1, 1)]),
        lax.conv_general_dilated(x, kernel, (1, 1), [(1, 1), (1, 1)]),
    )


@pytest.mark.parametrize("size", [5, 8, 9])
@pytest.mark.parametrize("kernel_size, stride", [(1, 2), (3, 1), (3, 2), (4, 1), (5, 2)])
def test_pads_by_tensorflows_rule_where_it_is_named(size, kernel_size, stride):
    pair = convolutions((stride, stride), "SAME")
    x, kernel = normal(2, size, size, 4), normal(kernel_size, kernel_size, 4, 3)
    assert "platform_index" in str(jax.make_jaxpr(pair[0])(x, kernel))
    assert_same(pair, x, kernel)


def test_leaves_batch_groups_to_lax():
    ours, lax_convolution = convolutions(batch_group_count=2)
    x, kernel = normal(4, 8, 8, 4), normal(3, 3, 4, 6)
    assert_close(ours(x, kernel), lax_convolution(x, kernel))


@pytest.mark.parametrize("shape, padding", [((1, 4, 1, 2), 0), ((1, 0, 4, 2), 1)])
def test_rejects_a_kernel_larger_than_the_map(shape, padding):
    ours, _ = convolutions(padding=((padding, padding),) * 2)
    with pytest.raises(ValueError, match=r"window of \(3, 3\) does not fit into a map of \(\d, \d\) padded by"):
        ours(jnp.zeros(shape), normal(3, 3, 2, 2))


def test_an_empty_batch_stays_empty():
    ours, _ = convolutions()
    assert ours(jnp.zeros((0, 8, 8, 2)), normal(3, 3, 2, 5)).shape == (0, 6, 6, 5)


def test_rejects_what_lax_rejects():
    ours, _ = convolutions()
    with pytest.raises(ValueError, match="feature dimension"):
        ours(normal(2, 8, 8, 4), normal(3, 3, 5, 6))


KINDS = {
    "dense": ((2, 9, 9, 4), (3, 3, 4, 6), 1),
    "pointwise": ((2, 9, 9, 4), (1, 1, 4, 6), 1),
    "depthwise": ((2, 9, 9, 4), (3, 3, 1, 4), 4),
    "grouped": ((2, 9, 9, 8), (3, 3, 2, 12), 4),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def small(kind):
    """(ours, XLA's, x, kernel) of a kind, with a stride."""
    x_shape, kernel_shape, groups = KINDS[kind]
    return *convolutions((2, 2), ((1, 1), (1, 1)), groups), normal(*x_shape), normal(*kernel_shape, seed=1)


def loss_of(convolution):
    return lambda x, kernel: jnp.sum(jnp.sin(convolution(x, kernel)))


@kinds
def test_without_jit(kind):
    ours, lax_convolution, x, kernel = small(kind)
    assert_close(ours(x, kernel), lax_convolution(x, kernel))
    for actual, expected in zip(
        jax.grad(loss_of(ours), (0, 1))(x, kernel), jax.grad(loss_of(lax_convolution), (0, 1))(x, kernel), strict=True
    ):
        assert_close(actual, expected)


@kinds
def test_vmap_over_both_operands(kind):
    ours, _, x, kernel = small(kind)
    xs, kernels = jnp.stack([x, 2 * x, x + 1]), jnp.stack([kernel, kernel - 1, 3 * kernel])
    for convolution in (lambda x, k: ours(x, k), jax.grad(loss_of(ours), (0, 1))):
        expected = [convolution(*both) for both in zip(xs, kernels, strict=True)]
        actual = jax.jit(jax.vmap(convolution))(xs, kernels)
        jax.tree.map(assert_close, actual, jax.tree.map(lambda *parts: jnp.stack(parts), *expected))


@kinds
def test_pmap_with_gradients_and_donation(kind):
    ours, _, x, kernel = small(kind)

    def step(kernel, x):
        return kernel - lax.pmean(jax.grad(loss_of(ours), 1)(x, kernel), "batch")

    expected = kernel - jax.jit(jax.grad(loss_of(ours), 1))(x, kernel)
    mapped = jax.pmap(step, axis_name="batch", in_axes=(None, 0), out_axes=None, donate_argnums=0)
    assert_close(mapped(kernel, x[None]), expected)


@kinds
def test_shard_map_without_its_checks(kind):
    ours, _, x, kernel = small(kind)
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("batch")
    mapped = jax.shard_map(
        lambda x, kernel: lax.pmean(jax.grad(loss_of(ours))(x, kernel), "batch"),
        mesh=mesh,
        in_specs=(spec, jax.sharding.PartitionSpec()),
        out_specs=jax.sharding.PartitionSpec(),
        check_vma=False,
    )
    assert_close(jax.jit(mapped)(x, kernel), jax.grad(loss_of(ours))(x, kernel))


@kinds
def test_remat_changes_no_gradient(kind):
    ours, _, x, kernel = small(kind)
    plain, remat = loss_of(ours), jax.checkpoint(loss_of(ours))
    assert_close(jax.jit(jax.grad(remat, 1))(x, kernel), jax.jit(jax.grad(plain, 1))(x, kernel))


@kinds
def test_second_derivatives(kind):
    ours, lax_convolution, x, kernel = small(kind)

    def gradient_norm(convolution):
        return lambda x, kernel: sum(jnp.sum(jnp.square(g)) for g in jax.grad(loss_of(convolution), (0, 1))(x, kernel))

    actual = jax.jit(jax.grad(gradient_norm(ours), (0, 1)))(x, kernel)
    expected = jax.jit(jax.grad(gradient_norm(lax_convolution), (0, 1)))(x, kernel)
    jax.tree.map(assert_close, actual, expected)


def test_eval_shape():
    ours, _, x, kernel = small("grouped")
    assert jax.eval_shape(ours, x, kernel).shape == (2, 5, 5, 12)


def test_each_platform_gets_its_own_form():
    ours, _, x, kernel = small("grouped")
    program = jax.jit(jax.grad(loss_of(ours), (0, 1)))
    elsewhere = jax.export.export(program, platforms=["tpu"])(x, kernel).mlir_module()
    on_cpu = jax.export.export(program, platforms=["cpu"])(x, kernel).mlir_module()
    assert "feature_group_count = 4" in elsewhere
    assert "feature_group_count = 4" not in on_cpu


def test_export_for_several_platforms():
    ours, _, x, kernel = small("dense")
    program = jax.export.export(jax.jit(jax.grad(loss_of(ours))), platforms=["cpu", "cuda", "tpu"])(x, kernel)
    assert_close(program.call(x, kernel), jax.grad(loss_of(ours))(x, kernel))


def test_no_trace_of_the_choice_is_left_in_the_compiled_program():
    ours, _, x, kernel = small("grouped")
    assert "conditional" not in jax.jit(jax.grad(loss_of(ours), (0, 1))).lower(x, kernel).compile().as_text()


def test_plain_convolutions_reach_a_function_that_was_compiled_before():
    ours, _, x, kernel = small("grouped")
    program = jax.jit(ours)
    assert "feature_group_count = 4" not in program.lower(x, kernel).as_text()
    with plain_convolutions():
        assert "feature_group_count = 4" in program.lower(x, kernel).as_text()
    assert "feature_group_count = 4" not in program.lower(x, kernel).as_text()


def test_module_equals_flax():
    x = normal(2, 9, 9, 4)
    ours = conv(6, 3, stride=2, padding=1, groups=2)
    flax = nn.Conv(6, (3, 3), strides=(2, 2), padding=[(1, 1), (1, 1)], feature_group_count=2)
    variables = flax.init(jax.random.key(0), x)
    variables["params"]["bias"] += 1.0
    assert_close(ours.apply(variables, x), flax.apply(variables, x))
