"""Dense convolutions: XLA's own kernel where it is fast, products of matrices where they are faster."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import Array, lax

from cnn_evolution.xla_cpu import columns, few_channels, winograd
from cnn_evolution.xla_cpu.parts import largest_divisor, sum_parts
from cnn_evolution.xla_cpu.window import Pads, Window, pad

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
CACHE = 1_250_000  # bytes that surely stay in a core's second-level cache
WIDE_ENOUGH = 16  # images that fill vector registers as channels


# Input gradients of other kernels are such convolutions too: each shape is traced and lowered once for both.
@functools.partial(jax.jit, static_argnums=2)
def forward(x: Array, kernel: Array, window: Window) -> Array:
    """XLA's kernel loses to columns for 1x1, and by far for maps smaller than the kernel.

    3x3 on 2x2 pixels, 512 channels, batch 64: 811 against 9 ms; 5x5 on 4x4, 128 channels: 178 against 9. To sums of
    products and to Winograd's algorithm it loses where `suits` says so. It has no fast form in float64.
    """
    if few_channels.suits(window, x.shape[-1]):
        return few_channels.forward(x, kernel, window)
    if winograd.suits(x, kernel.shape[-1], window):
        return winograd.forward(x, kernel, window)
    if window.taps == 1 or min(window.map_size) < max(window.size) or x.dtype.itemsize > 4:
        return columns.forward(x, kernel, window)
    return _xla(x, kernel, window.padding, window_strides=window.strides)


def input_gradient(dy: Array, kernel: Array, window: Window) -> Array:
    """At stride 1 a convolution with the kernel turned around; else columns.

    XLA blows `dy` up with zeros for a stride: 27.6 against 19.6 ms for 3x3/2 with 128 channels at 56 pixels, batch 16.
    """
    if window.taps == 1 or window.strides != (1, 1):
        return columns.input_gradient(dy, kernel, window)
    return forward(dy, kernel[::-1, ::-1].swapaxes(2, 3), window.back)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    """A convolution of the map with `dy` as its kernel, over a few images at a time.

    Images act as channels and channels as images. XLA's kernel is fast while this kernel stays in the cache and has
    channels enough, so batches are split and the parts added up: 7x7 from 3 to 32 channels at 48 pixels, batch 32, 32
    ms by single images, 7.5 by sixteen, 10.7 at once. To fewer than four images, of small batches and those that divide
    badly, columns are better: 7x7/2 to 64 at 224, batch 16, 151 ms by two images and 98 as columns.
    So they are in float64, where XLA has no fast form.
    """
    if window.taps == 1:
        return columns.weight_gradient(x, dy, window)
    if winograd.suits(x, dy.shape[-1], window):
        return winograd.weight_gradient(x, dy, window)
    n = x.shape[0]
    images = largest_divisor(n, max(WIDE_ENOUGH, CACHE * n // (dy.size * dy.dtype.itemsize)))
    if images < 4 or x.dtype.itemsize > 4:
        return columns.weight_gradient(x, dy, window)
    return sum_parts(lambda x, dy: _correlate_images(x, dy, window), images, x, dy).astype(x.dtype)


def _correlate_images(x: Array, dy: Array, window: Window) -> Array:
    """The weight gradient as one convolution, (C, H, W, N), (H', W', N, C') -> (C, h, w, C')."""
    # The barrier keeps the transpositions out of the convolution, which XLA would then not give to its fast kernel.
    x, dy = lax.optimization_barrier((x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3)))
    vertical, horizontal = (
        (before, (outputs - 1) * stride + size - length - before)
        for (before, _), outputs, stride, size, length in zip(
            window.padding, window.output_size, window.strides, window.size, window.map_size, strict=True
        )
    )
    dw = _xla(x, dy, (vertical, horizontal), window_strides=(1, 1), rhs_dilation=window.strides)
    return dw.transpose(1, 2, 0, 3)


def _xla(x: Array, kernel: Array, padding: Pads, **settings: Any) -> Array:
    """XLA's convolution, of a map that is cropped before.

    With a padding that is negative on one side and positive on the other it would read beyond the map.
    """
    x = pad(x, _each(min, padding))
    return lax.conv_general_dilated(x, kernel, padding=_each(max, padding), dimension_numbers=DIMENSIONS, **settings)


def _each(extreme: Callable[[int, int], int], padding: Pads) -> Pads:
    """Of each padding and 0 the smaller or the larger one."""
    (above, below), (left, right) = padding
    return (extreme(above, 0), extreme(below, 0)), (extreme(left, 0), extreme(right, 0))
