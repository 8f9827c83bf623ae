"""Depthwise convolutions: one kernel for each channel.

Every tap of the kernel multiplies the pixels that it sees with a vector of weights; XLA fuses the sum over the taps
into one pass over memory.
"""

import functools

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.xla_cpu.chunked import largest_divisor
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.thresholds import DEPTHWISE_IMAGES
from cnn_evolution.xla_cpu.window import Window, pad, scatter, taps


def forward(x: Array, kernel: Array, problem: Problem) -> Array:
    products = [tap * weight for tap, weight in zip(taps(x, problem.window), _weights(kernel), strict=True)]
    return functools.reduce(jnp.add, products).astype(x.dtype)


def input_gradient(dy: Array, kernel: Array, problem: Problem) -> Array:
    """At stride 1 a convolution with the kernel turned around, whose sum over taps needs no padding of its own."""
    if problem.window.strides == (1, 1):
        return forward(dy, kernel[::-1, ::-1], problem.back)
    return scatter([dy * weight for weight in _weights(kernel)], problem.window).astype(dy.dtype)


def weight_gradient(x: Array, dy: Array, problem: Problem) -> Array:
    """Row by row of the kernel, and a few images at a time, so that the sums of a row's taps stay in the cache.

    Each tap would take its own time to compile, and image by image the sums would move more often.
    """
    window = problem.window
    padded = lax.optimization_barrier(pad(x, window.padding))
    rows = (window.output_size[0] - 1) * window.strides[0] + 1  # that one row of the kernel sees
    of_row = Window((1, window.size[1]), window.strides, ((0, 0), (0, 0)), (rows, window.padded_size[1]))
    together = largest_divisor(x.shape[0], DEPTHWISE_IMAGES)

    def products(row: Array, image: Array) -> list[Array]:
        seen = lax.dynamic_slice(padded, (image, row, 0, 0), (1, *of_row.map_size, x.shape[-1]))
        image_dy = lax.dynamic_index_in_dim(dy, image)
        return [tap * image_dy for tap in taps(seen, of_row)]

    def gradient(row: Array) -> Array:
        def add_images(part: Array, sums: list[Array]) -> list[Array]:
            images = [products(row, part * together + i) for i in range(together)]
            return [sum(of_images, total) for total, *of_images in zip(sums, *images, strict=True)]

        zeros = jnp.zeros((1, *dy.shape[1:]), jnp.promote_types(dy.dtype, jnp.float32))
        sums = lax.fori_loop(0, x.shape[0] // together, add_images, [zeros] * window.size[1])
        return jnp.stack([one.sum((0, 1, 2)) for one in sums])

    dw = lax.map(gradient, jnp.arange(window.size[0]))
    return dw.reshape(*window.size, 1, -1).astype(x.dtype)


def _weights(kernel: Array) -> list[Array]:
    """The weights of each tap (C,), in at least float32, which makes the sums of the products float32 too."""
    height, width, _, channels = kernel.shape
    kernel = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    return list(kernel.reshape(height * width, channels))
