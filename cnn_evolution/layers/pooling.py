"""Pooling with torch's explicit padding and `ceil_mode`, or with TensorFlow's `"SAME"` padding."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution import xla_cpu
from cnn_evolution.layers.convolution import Padding, Size, pair
from cnn_evolution.layers.platform import on_cpu


def _pads(size: int, window: int, stride: int, padding: int, ceil_mode: bool) -> tuple[int, int]:
    """Left and right padding; ceil mode adds on the right what the last, partial window lacks.

    A window that would start in the right padding is dropped, as torch does.
    """
    span = size + 2 * padding - window
    if span < 0:
        raise ValueError(f"a pooling window of {window} does not fit into a map of {size} padded by {padding}")
    if not ceil_mode:
        return padding, padding
    steps = -(-span // stride)
    if steps * stride >= size + padding:
        steps -= 1
    return padding, padding + max(0, steps * stride - span)


def _window(x: Array, window: Size, stride: Size | None, padding: Padding, ceil_mode: bool) -> xla_cpu.Window:
    map_size, size, strides = (x.shape[1], x.shape[2]), pair(window), pair(window if stride is None else stride)
    if isinstance(padding, str):
        rows, columns = lax.padtype_to_pads(map_size, size, strides, padding)
    else:
        rows, columns = (_pads(*sides, ceil_mode) for sides in zip(map_size, size, strides, pair(padding), strict=True))
    return xla_cpu.Window(size=size, strides=strides, padding=(rows, columns), map_size=map_size)


def max_pool(
    x: Array, window: Size, stride: Size | None = None, padding: Padding = 0, *, ceil_mode: bool = False
) -> Array:
    """Maximum over windows, (N, H, W, C) -> (N, H', W', C); the stride defaults to the window."""
    moving = _window(x, window, stride, padding, ceil_mode)
    if moving.taps > xla_cpu.MAX_POOL_TAPS:
        return _max_pool(x, moving)
    return on_cpu(xla_cpu.max_pool, _max_pool, x, window=moving)


def _max_pool(x: Array, window: xla_cpu.Window) -> Array:
    return nn.max_pool(x, window.size, window.strides, window.padding)


def avg_pool(
    x: Array,
    window: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Mean over windows, (N, H, W, C) -> (N, H', W', C).

    As in torch, padding counts as zeros unless `count_include_pad` is off (it never counts in TensorFlow), and the
    extra border of `ceil_mode` never counts.
    """
    moving = _window(x, window, stride, padding, ceil_mode)
    counted = _window(x, window, stride, padding, ceil_mode=False).padding if count_include_pad else ((0, 0), (0, 0))
    sums = _sums(x, moving, moving.padding)
    ones = jnp.ones((1, x.shape[1] + sum(counted[0]), x.shape[2] + sum(counted[1]), 1), x.dtype)
    (above, below), (before, after) = moving.padding
    (top, bottom), (left, right) = counted
    counts = _sums(ones, moving, ((above - top, below - bottom), (before - left, after - right)))
    return sums / counts


def _sums(x: Array, moving: xla_cpu.Window, pads: tuple[tuple[int, int], tuple[int, int]]) -> Array:
    # The zero must be NumPy's: from a traced one JAX cannot tell that this is a sum, and finds no gradient.
    return lax.reduce_window(
        x, np.zeros((), x.dtype), lax.add, (1, *moving.size, 1), (1, *moving.strides, 1), ((0, 0), *pads, (0, 0))
    )


def global_avg_pool(x: Array) -> Array:
    """(N, H, W, C) -> (N, C).

    Raises:
      ValueError: if the map is empty.
    """
    if 0 in x.shape[1:3]:
        raise ValueError(f"a global pool does not fit a map of {x.shape[1]} x {x.shape[2]}, which has no mean")
    return x.mean((1, 2))
