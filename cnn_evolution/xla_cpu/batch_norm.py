"""Batch normalisation whose gradient keeps nothing but its input.

XLA's own gradient stores `x - mean` and parts of the gradient as whole maps. An expression over whole maps that two
passes share would be stored too, so each pass below shifts `x` in a form of its own.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax


def moments(x: Array, axis_name: str | None) -> tuple[Array, Array]:
    """Mean and biased variance of each channel, in at least float32, over the mapped axis too if there is one."""
    mean = _mean(exact(x), axis_name)
    return mean, _mean(jnp.square(exact(x) - mean), axis_name)


def affine(x: Array, factor: Array, summand: Array) -> Array:
    """`x * factor + summand` by channel, in at least float32."""
    return exact(x) * factor + summand


def exact(x: Array) -> Array:
    """`x` in at least float32."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _mean(x: Array, axis_name: str | None) -> Array:
    mean = x.mean(tuple(range(x.ndim - 1)))
    return mean if axis_name is None else lax.pmean(mean, axis_name)


@functools.partial(jax.jit, static_argnames=("epsilon", "axis_name"))  # each shape is traced once
def plain(x: Array, scale: Array, bias: Array, epsilon: float, axis_name: str | None) -> tuple[Array, Array, Array]:
    """The normalised map, in at least float32, and the mean and biased variance of each channel."""
    mean, var = moments(x, axis_name)
    root = lax.rsqrt(var + epsilon)
    return affine(x, scale * root, bias - mean * scale * root), mean, var


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(x: Array, scale: Array, bias: Array, epsilon: float, axis_name: str | None) -> tuple[Array, Array, Array]:
    return plain(x, scale, bias, epsilon, axis_name)


def _forward(x: Array, scale: Array, bias: Array, epsilon: float, axis_name: str | None) -> tuple[Any, Any]:
    y, mean, var = plain(x, scale, bias, epsilon, axis_name)
    return (y, mean, var), (x, mean, lax.rsqrt(var + epsilon), scale)


def _backward(epsilon: float, axis_name: str | None, kept: Any, gradients: Any) -> tuple[Array, Array, Array]:
    x, mean, root, scale = kept
    dy = gradients[0]  # the statistics have none
    axes = tuple(range(x.ndim - 1))
    values = math.prod(x.shape[:-1])
    scale_gradient = (dy * affine(x, root, -mean * root)).sum(axes)
    bias_gradient = dy.sum(axes)
    slope, offset = scale_gradient / values, bias_gradient / values
    if axis_name is not None:
        slope, offset = lax.pmean((slope, offset), axis_name)
    # scale root (dy - offset - slope (x - mean) root)
    factor = scale * root
    dx = dy * factor - affine(x, factor * slope * root, factor * (offset - slope * mean * root))
    return dx.astype(x.dtype), scale_gradient.astype(scale.dtype), bias_gradient.astype(scale.dtype)


normalise.defvjp(_forward, _backward)
