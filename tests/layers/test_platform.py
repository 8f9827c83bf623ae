"""What stands in the program for a CPU stands in no other, so every transformation works on other platforms.

No other platform is needed: JAX lowers for CUDA without one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution import layers

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def convolution(kernel_shape, strides=(1, 1), groups=1):
    def convolve(x, kernel):
        return layers.convolve(x, kernel, strides, "SAME", dimension_numbers=DIMENSIONS, feature_group_count=groups)

    return convolve, (normal(4, 8, 8, kernel_shape[2] * groups), normal(*kernel_shape, seed=1))


def module(layer, x):
    """The layer as a function of its input and its parameters."""
    variables = layer.init(jax.random.key(0), x)
    others = {name: value for name, value in variables.items() if name != "params"}

    def call(x, params):
        return layer.apply({"params": params, **others}, x, mutable=["batch_stats"])[0]

    return call, (x, variables["params"])


MAPS = normal(4, 8, 8, 6)
LAYERS = {
    "convolution": convolution((3, 3, 6, 8)),
    "convolution of many channels": convolution((3, 3, 64, 64)),
    "convolution of a colour image": convolution((3, 3, 3, 8), strides=(2, 2)),
    "1x1 convolution": convolution((1, 1, 6, 8), strides=(2, 2)),
    "grouped convolution": convolution((3, 3, 4, 16), groups=4),
    "depthwise convolution": convolution((3, 3, 1, 6), groups=6, strides=(2, 2)),
    "max_pool": (functools.partial(layers.max_pool, window=3, stride=2, padding=1), (MAPS,)),
    "avg_pool": (functools.partial(layers.avg_pool, window=3, stride=2, ceil_mode=True), (MAPS,)),
    "adaptive_avg_pool": (functools.partial(layers.adaptive_avg_pool, size=3), (MAPS,)),
    "global_avg_pool": (layers.global_avg_pool, (MAPS,)),
    "channel_shuffle": (functools.partial(layers.channel_shuffle, groups=2), (MAPS,)),
    "local_response_norm": (layers.local_response_norm, (MAPS,)),
    "batch_norm in training": module(layers.batch_norm(train=True), MAPS),
    "batch_norm in evaluation": module(layers.batch_norm(train=False), MAPS),
    "squeeze_excite": module(layers.SqueezeExcite(reduction=2), MAPS),
}


def loss_of(layer):
    return lambda *operands: jnp.sum(jnp.sin(layer(*operands)))


def directions(operands):
    return jax.tree.map(lambda x: normal(*x.shape, seed=5), operands)


def gradient(layer, operands):
    return jax.grad(loss_of(layer), tuple(range(len(operands))))


TRANSFORMATIONS = {
    "jvp": lambda layer, operands: lambda *x: jax.jvp(layer, x, directions(operands)),
    "linearize": lambda layer, operands: lambda *x: jax.linearize(layer, *x)[1](*directions(operands)),
    "Hessian-vector product": lambda layer, operands: (
        lambda *x: jax.jvp(gradient(layer, operands), x, directions(operands))
    ),
    "gradient of gradients": lambda layer, operands: jax.grad(
        lambda *x: sum(jnp.sum(jnp.square(one)) for one in jax.tree.leaves(gradient(layer, operands)(*x)))
    ),
    "vmap of gradients": lambda layer, operands: (
        lambda *x: jax.vmap(gradient(layer, operands))(*jax.tree.map(lambda one: jnp.stack([one, 2 * one]), x))
    ),
}

every_layer = pytest.mark.parametrize("layer, operands", LAYERS.values(), ids=LAYERS)
every_transformation = pytest.mark.parametrize("transform", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS)


def lowered(function, operands, platform="cuda"):
    return jax.jit(function).trace(*operands).lower(lowering_platforms=(platform,)).as_text()


@every_layer
@every_transformation
def test_every_transformation_of_every_layer_lowers_for_cuda(layer, operands, transform):
    assert "optimization_barrier" not in lowered(transform(layer, operands), operands)


@every_layer
def test_forward_mode_runs_on_a_cpu_with_plain_convolutions(layer, operands):
    """And gives the slopes that reverse mode gives of the forms for a CPU: of a loss, and of its gradient."""
    along = directions(operands)
    with layers.plain_convolutions():
        value, slope = jax.jit(lambda *x: jax.jvp(loss_of(layer), x, along))(*operands)
        grads, product = jax.jit(lambda *x: jax.jvp(gradient(layer, operands), x, along))(*operands)
    assert_close(value, loss_of(layer)(*operands))
    assert_close(grads, jax.jit(gradient(layer, operands))(*operands))
    assert_close(slope, inner(grads, along))
    # The Hessian is symmetric: the gradient of the slope is its product with the direction.
    of_slope = jax.grad(lambda *x: inner(gradient(layer, operands)(*x), along), tuple(range(len(operands))))
    assert_close(product, jax.jit(of_slope)(*operands))


def inner(a, b):
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def assert_close(actual, expected):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("name", ["alexnet", "googlenet_bn", "resnet18", "mobilenet_v1_0_25"])
def test_the_training_step_of_a_network_for_cuda_holds_nothing_that_is_made_for_a_cpu(name):
    model = ce.create_model(name, width=0.25, input_size=96)
    images = jnp.zeros((2, 96, 96, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), images)

    def loss(params, others, images):
        rngs = {"dropout": jax.random.key(0)}
        logits, _ = model.apply(
            {"params": params, **others}, images, train=True, rngs=rngs, mutable=["batch_stats", "aux_logits"]
        )
        return logits.mean()

    others = {name: value for name, value in variables.items() if name != "params"}
    operands = (variables["params"], others, images)
    for_cuda, for_cpu = (lowered(jax.grad(loss), operands, platform) for platform in ("cuda", "cpu"))
    assert "optimization_barrier" in for_cpu
    assert "optimization_barrier" not in for_cuda and "inlineable" not in for_cuda
    assert for_cuda.count("stablehlo.convolution") > for_cpu.count("stablehlo.convolution")


def test_forward_mode_on_a_cpu_without_plain_convolutions_is_refused():
    layer, operands = LAYERS["convolution"]
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(layer, operands, operands)
