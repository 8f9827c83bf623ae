"""Pooling with torch's explicit padding and `ceil_mode`."""

import flax.linen as nn
import jax.numpy as jnp
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


def _window(x: Array, window: Size, stride: Size | None, padding: Size, ceil_mode: bool):
    window, padding = pair(window), pair(padding)
    stride = window if stride is None else pair(stride)
    pads = [_pads(x.shape[1 + i], window[i], stride[i], padding[i], ceil_mode) for i in range(2)]
    return window, stride, pads


def max_pool(
    x: Array, window: Size, stride: Size | None = None, padding: Size = 0, *, ceil_mode: bool = False
) -> Array:
    """Maximum over windows, (N, H, W, C) -> (N, H', W', C); the stride defaults to the window."""
    window, stride, pads = _window(x, window, stride, padding, ceil_mode)

    def plain(x: Array) -> Array:
        return nn.max_pool(x, window, stride, pads)

    if is_plain() or window[0] * window[1] > cpu.MAX_POOL_TAPS:
        return plain(x)
    on_map = cpu.Window(size=window, strides=stride, padding=(pads[0], pads[1]), map_size=(x.shape[1], x.shape[2]))
    return on_cpu(lambda x: cpu.max_pool(x, on_map), plain, x)


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
    (kh, kw), stride, pads = _window(x, window, stride, padding, ceil_mode)
    sums = lax.reduce_window(
        x, jnp.zeros((), x.dtype), lax.add, (1, kh, kw, 1), (1, *stride, 1), ((0, 0), *pads, (0, 0))
    )
    own = pair(padding) if count_include_pad else (0, 0)
    ones = jnp.ones((1, x.shape[1] + 2 * own[0], x.shape[2] + 2 * own[1], 1), x.dtype)
    rest = [(lo - p, hi - p) for (lo, hi), p in zip(pads, own, strict=True)]
    counts = lax.reduce_window(
        ones, jnp.zeros((), x.dtype), lax.add, (1, kh, kw, 1), (1, *stride, 1), ((0, 0), *rest, (0, 0))
    )
    return sums / counts


def global_avg_pool(x: Array) -> Array:
    """(N, H, W, C) -> (N, C)."""
    return x.mean((1, 2))
