"""Depthwise convolutions: one kernel for each channel.

A depthwise convolution multiplies every pixel of the window with a vector of weights and adds up; XLA fuses that into
one pass over memory. Against `lax`, 3x3 with 128 channels at 56 pixels, forward, input and weight gradient: 142, 142
and 92 ms became 2.6, 2.3 and 6.1.
"""

import functools

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.layers.cpu import window as windows
from cnn_evolution.layers.cpu.matmul import accumulator
from cnn_evolution.layers.cpu.window import Pads, Window


def forward(x: Array, kernel: Array, window: Window) -> Array:
    return _weighted_sum(windows.window_taps(x, window), kernel)


def input_gradient(dy: Array, kernel: Array, window: Window) -> Array:
    def correlate(dy: Array, part: Array, pads: Pads) -> Array:
        sliding = Window((part.shape[0], part.shape[1]), (1, 1), pads, (dy.shape[1], dy.shape[2]))
        return forward(dy, part, sliding)

    return windows.input_gradient(dy, kernel, window, dy.shape[-1], correlate)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    """One image at a time, so that the sums of all taps stay in the cache."""
    x = lax.optimization_barrier(windows.pad(x, window.padding))
    total = accumulator(x)

    def add_image(image: int, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        dy_image = lax.dynamic_index_in_dim(dy, image).astype(total)
        taps = windows.taps(lax.dynamic_index_in_dim(x, image), window.size, window.strides, window.output_size)
        return tuple(so_far + tap * dy_image for so_far, tap in zip(sums, taps, strict=True))

    zeros = jnp.zeros_like(dy[:1], total)
    sums = lax.fori_loop(0, x.shape[0], add_image, (zeros,) * window.taps)
    return jnp.stack([one.sum((0, 1, 2)) for one in sums]).reshape(*window.size, 1, -1).astype(x.dtype)


def _weighted_sum(taps: list[Array], kernel: Array) -> Array:
    weights = kernel.reshape(len(taps), -1).astype(accumulator(kernel))
    products = [tap * weight for tap, weight in zip(taps, weights, strict=True)]
    return functools.reduce(jnp.add, products).astype(kernel.dtype)
