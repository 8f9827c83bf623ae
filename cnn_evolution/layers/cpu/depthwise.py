"""Depthwise convolutions: one kernel for each channel.

Every tap of the kernel multiplies the pixels that it sees with a vector of weights; XLA fuses the sum over the taps
into one pass over memory. Against `lax`, 3x3 with 128 channels at 56 pixels, batch 16, forward, input and weight
gradient: 155, 154 and 189 ms became 3.6, 1.9 and 12.
"""

import dataclasses
import functools

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.layers.cpu.window import Window, pad, scatter, taps


def forward(x: Array, kernel: Array, window: Window) -> Array:
    products = [tap * weight for tap, weight in zip(taps(x, window), _weights(kernel), strict=True)]
    return functools.reduce(jnp.add, products).astype(x.dtype)


def input_gradient(dy: Array, kernel: Array, window: Window) -> Array:
    return scatter([dy * weight for weight in _weights(kernel)], window).astype(dy.dtype)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    """One image at a time, so that the sums of all taps stay in the cache."""
    padded = lax.optimization_barrier(pad(x, window.padding))
    one_image = dataclasses.replace(window, map_size=window.padded_size, padding=((0, 0), (0, 0)))

    def add_image(image: int, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        image_dy = lax.dynamic_index_in_dim(dy, image)
        seen = taps(lax.dynamic_index_in_dim(padded, image), one_image)
        return tuple(total + tap * image_dy for total, tap in zip(sums, seen, strict=True))

    zeros = jnp.zeros((1, *dy.shape[1:]), jnp.promote_types(dy.dtype, jnp.float32))
    sums = lax.fori_loop(0, x.shape[0], add_image, (zeros,) * window.taps)
    return jnp.stack([one.sum((0, 1, 2)) for one in sums]).reshape(*window.size, 1, -1).astype(x.dtype)


def _weights(kernel: Array) -> list[Array]:
    """The weights of each tap (C,), in at least float32, which makes the sums of the products float32 too."""
    height, width, _, channels = kernel.shape
    kernel = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    return list(kernel.reshape(height * width, channels))
