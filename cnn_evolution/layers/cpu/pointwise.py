"""1x1 convolutions: a matrix product over the channels.

The reshape to a matrix is free in (N, H, W, C). Against `lax`, 64 to 256 channels at 56 pixels, forward, input and
weight gradient: 21.6, 23.0 and 55.5 ms became 4.5, 5.5 and 8.2.
"""

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.layers.cpu.matmul import matmul, matmul_of_transpose
from cnn_evolution.layers.cpu.window import Window, pad, taps


def forward(x: Array, kernel: Array, window: Window) -> Array:
    x = _seen(x, window)
    return matmul(x.reshape(-1, x.shape[-1]), kernel[0, 0]).reshape(*x.shape[:3], -1)


def input_gradient(dy: Array, kernel: Array, window: Window) -> Array:
    dx = matmul(dy.reshape(-1, dy.shape[-1]), kernel[0, 0].T).reshape(*dy.shape[:3], -1)
    spread = [
        (-before, size + before - (count - 1) * stride - 1, stride - 1)
        for (before, _), size, count, stride in zip(
            window.padding, window.map_size, window.output_size, window.strides, strict=True
        )
    ]
    return lax.pad(dx, jnp.zeros((), dx.dtype), [(0, 0, 0), *spread, (0, 0, 0)])


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    x = _seen(x, window)
    return matmul_of_transpose(x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1]))[None, None]


def _seen(x: Array, window: Window) -> Array:
    """The pixels that the stride does not skip."""
    return taps(pad(x, window.padding), window.size, window.strides, window.output_size)[0]
