"""Pooling with torch's explicit padding and `ceil_mode`."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.layers import cpu
from cnn_evolution.layers.convolution import Size, pair
from cnn_evolution.layers.platform import is_plain, on_cpu


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


def _window(x: Array, window: Size, stride: Size | None, padding: Size, ceil_mode: bool) -> cpu.Window:
    size, strides, padding = pair(window), pair(window if stride is None else stride), pair(padding)
    rows, columns = (_pads(x.shape[1 + i], size[i], strides[i], padding[i], ceil_mode) for i in range(2))
    return cpu.Window(size=size, strides=strides, padding=(rows, columns), map_size=(x.shape[1], x.shape[2]))


def max_pool(
    x: Array, window: Size, stride: Size | None = None, padding: Size = 0, *, ceil_mode: bool = False
) -> Array:
    """Maximum over windows, (N, H, W, C) -> (N, H', W', C); the stride defaults to the window."""
    moving = _window(x, window, stride, padding, ceil_mode)

    def plain(x: Array) -> Array:
        return nn.max_pool(x, moving.size, moving.strides, moving.padding)

    if is_plain() or moving.taps > cpu.MAX_POOL_TAPS:
        return plain(x)
    return on_cpu(lambda x: cpu.max_pool(x, moving), plain, x)


def avg_pool(
    x: Array,
    window: Size,
    stride: Size | None = None,
    padding: Size = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Mean over windows, (N, H, W, C) -> (N, H', W', C).

    As in torch, the explicit padding counts as zeros unless `count_include_pad` is off, and the extra border of
    `ceil_mode` never counts.
    """
    moving = _window(x, window, stride, padding, ceil_mode)
    sums = _sums(x, moving, moving.padding)
    (top, left) = pair(padding) if count_include_pad else (0, 0)
    ones = jnp.ones((1, x.shape[1] + 2 * top, x.shape[2] + 2 * left, 1), x.dtype)
    (above, below), (before, after) = moving.padding
    counts = _sums(ones, moving, ((above - top, below - top), (before - left, after - left)))
    return sums / counts


def _sums(x: Array, moving: cpu.Window, pads: tuple[tuple[int, int], tuple[int, int]]) -> Array:
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
