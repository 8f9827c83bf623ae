"""Batch normalisation and local response normalisation."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.nn.initializers import Initializer


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, (N, H, W, C) or (N, C) to the same (Ioffe & Szegedy 2015).

    Training normalises by the batch's mean and biased variance, and moves the running statistics, from which no
    gradient flows, towards its mean and unbiased variance, as torch does. Statistics are at least float32 whatever
    `dtype`. Forward mode (`jax.jvp`) raises `TypeError` in training.

    Attributes:
      train: Whether to use the batch's statistics and to update the running ones, or to use the running ones.
      momentum: The share of the old running statistics that is kept, 1 minus torch's.
      epsilon: Added to the variance.
      use_scale: Whether there is a learnt factor for each channel.
      use_bias: Whether there is a learnt summand for each channel.
      scale_init: Initialisation of the factors.
      bias_init: Initialisation of the summands.
      dtype: Of the output; None for that of the input.
      axis_name: Mapped axis over which the batch's statistics are averaged.

    Raises:
      ValueError: in training, if there is one value a channel, which has no variance.
    """

    train: bool
    momentum: float = 0.9
    epsilon: float = 1e-5
    use_scale: bool = True
    use_bias: bool = True
    scale_init: Initializer = nn.initializers.ones
    bias_init: Initializer = nn.initializers.zeros
    dtype: Any = None
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (x.shape[-1],)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        scale = self.param("scale", self.scale_init, shape) if self.use_scale else jnp.ones(shape, jnp.float32)
        bias = self.param("bias", self.bias_init, shape) if self.use_bias else jnp.zeros(shape, jnp.float32)
        dtype = x.dtype if self.dtype is None else self.dtype

        if not self.train:
            factor = scale * lax.rsqrt(running_var.value + self.epsilon)
            return _affine(x, factor, bias - running_mean.value * factor).astype(dtype)
        axis_name = None if self.is_initializing() else self.axis_name
        y, mean, var = _once_a_shape(x, scale, bias, self.epsilon, axis_name)
        if not self.is_initializing():
            values = x.size // x.shape[-1] * (1 if axis_name is None else lax.axis_size(axis_name))
            if values == 1:
                raise ValueError(f"a map of shape {x.shape} has no variance; expected more than one value a channel")
            unbiased = var * (values / (values - 1))
            running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * lax.stop_gradient(mean)
            running_var.value = self.momentum * running_var.value + (1 - self.momentum) * lax.stop_gradient(unbiased)
        return y.astype(dtype)


batch_norm = BatchNorm  # it is called like the functions that make other layers


# The gradient is written out because XLA's own stores x - mean and parts of the gradient as whole maps. An expression
# over whole maps that two passes share would be stored too, so each pass below shifts `x` in a form of its own.
# Against flax's, with ReLU, forwards and backwards, 256 channels at 56 pixels, batch 16: 67 ms became 57 (two cores).
@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _normalise(
    x: Array, scale: Array, bias: Array, epsilon: float, axis_name: str | None
) -> tuple[Array, Array, Array]:
    """The normalised map, in at least float32, and the mean and biased variance of each channel."""
    return _forward(x, scale, bias, epsilon, axis_name)[0]


def _forward(x: Array, scale: Array, bias: Array, epsilon: float, axis_name: str | None) -> tuple[Any, Any]:
    mean = _mean(_exact(x), axis_name)
    var = _mean(jnp.square(_exact(x) - mean), axis_name)
    root = lax.rsqrt(var + epsilon)
    y = _affine(x, scale * root, bias - mean * scale * root)
    return (y, mean, var), (x, mean, root, scale)


def _backward(epsilon: float, axis_name: str | None, kept: Any, gradients: Any) -> tuple[Array, Array, Array]:
    x, mean, root, scale = kept
    dy = gradients[0]  # the statistics have none
    axes = tuple(range(x.ndim - 1))
    values = math.prod(x.shape[:-1])
    scale_gradient = (dy * _affine(x, root, -mean * root)).sum(axes)
    bias_gradient = dy.sum(axes)
    slope, offset = scale_gradient / values, bias_gradient / values
    if axis_name is not None:
        slope, offset = lax.pmean((slope, offset), axis_name)
    # scale root (dy - offset - slope (x - mean) root)
    factor = scale * root
    dx = dy * factor - _affine(x, factor * slope * root, factor * (offset - slope * mean * root))
    return dx.astype(x.dtype), scale_gradient.astype(scale.dtype), bias_gradient.astype(scale.dtype)


_normalise.defvjp(_forward, _backward)

_once_a_shape = jax.jit(_normalise, static_argnums=(3, 4))  # as in convolution.py


def _affine(x: Array, factor: Array, summand: Array) -> Array:
    return _exact(x) * factor + summand


def _exact(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _mean(x: Array, axis_name: str | None) -> Array:
    mean = x.mean(tuple(range(x.ndim - 1)))
    return mean if axis_name is None else lax.pmean(mean, axis_name)


def local_response_norm(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Array:
    """x / (k + alpha * sum of x^2 over `size` neighbouring channels) ** beta, on (N, H, W, C).

    Krizhevsky et al. 2012, section 3.3, with the paper's constants. Caffe and torch divide alpha by `size`; the paper
    does not. The sum is taken in float32: bfloat16 has too few digits to add alpha * x^2 to k. Forward mode (`jax.jvp`)
    raises `TypeError`.
    """
    squares = jnp.square(x.astype(jnp.float32))
    scale = k + alpha * _sum_of_neighbours(squares, size // 2, (size - 1) // 2)
    if beta == 0.75:  # two square roots take a third of the time of a general power on a CPU
        root = lax.rsqrt(scale)
        return x * (root * jnp.sqrt(root)).astype(x.dtype)
    return x * (scale**-beta).astype(x.dtype)


# The gradient is written out because XLA's own adds padded slices, one channel at a time. With it a normalisation,
# forwards and backwards, takes 9 ms instead of 31 (48 channels at 44 pixels, batch 32).
@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _sum_of_neighbours(x: Array, before: int, after: int) -> Array:
    """The sum of each channel and of so many before and after it."""
    # Without the barrier XLA would pad anew for every neighbour.
    padded = lax.optimization_barrier(jnp.pad(x, (*((0, 0),) * (x.ndim - 1), (before, after))))
    shifted = [lax.slice_in_dim(padded, i, i + x.shape[-1], axis=-1) for i in range(before + 1 + after)]
    return functools.reduce(jnp.add, shifted)


_sum_of_neighbours.defvjp(
    lambda x, before, after: (_sum_of_neighbours(x, before, after), None),
    lambda before, after, _, dy: (_sum_of_neighbours(dy, after, before),),
)
