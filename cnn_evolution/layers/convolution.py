"""Convolution with torch's explicit integer padding, as a Linen module."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution import xla_cpu
from cnn_evolution.layers.platform import on_cpu

Size = int | tuple[int, int]
Padding = Size | Literal["SAME"]
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def pair(size: Size) -> tuple[int, int]:
    """`3` means `(3, 3)`."""
    return (size, size) if isinstance(size, int) else size


def conv(
    features: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Padding = 0,
    *,
    groups: int = 1,
    **options: Any,
) -> nn.Conv:
    """A 2-D convolution, (N, H, W, C) -> (N, H', W', features).

    Padding is symmetric, in pixels. `"SAME"` is TensorFlow's, for the networks that come from there: a side of n pixels
    becomes ceil(n / stride), and at stride 2 the right side may be padded by one pixel more than the left. `options` go
    to `nn.Conv` (use_bias, dtype, kernel_init, bias_init, kernel_dilation, name).
    """
    return nn.Conv(
        features,
        pair(kernel_size),
        strides=pair(stride),
        padding=padding if isinstance(padding, str) else [(p, p) for p in pair(padding)],
        feature_group_count=groups,
        conv_general_dilated=convolve,
        **options,
    )


def convolve(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
    **options: Any,
) -> Array:
    """`lax.conv_general_dilated`, in a form that is fast on a CPU when it is lowered for one.

    That form covers 2-D convolutions of (N, H, W, C) in one floating type without dilation; the rest, and everything
    within `plain_convolutions()`, are XLA's own. Gradients of any order are defined; on a CPU, forward mode (`jax.jvp`)
    raises `TypeError` except within `plain_convolutions()`. A CPU ignores `precision`: it multiplies in full. Within
    `jax.shard_map` it needs `check_vma=False`, which `jax.pmap` implies.

    Raises:
      ValueError: if the operands do not agree, or the kernel is larger than the padded map.
    """
    plain: Callable[..., Array] = functools.partial(
        lax.conv_general_dilated,
        window_strides=window_strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        precision=precision,
        **options,
    )
    dilated = any(d != 1 for d in (*(lhs_dilation or ()), *(rhs_dilation or ())))
    maps = _are_maps(lhs, rhs, dimension_numbers)
    only_plain = dilated or options or not maps
    # Either way XLA checks the operands, with its messages.
    result = plain(lhs, rhs) if only_plain else jax.eval_shape(plain, lhs, rhs)
    if maps and 0 in result.shape[1:3]:  # XLA would go on with an empty map, whose mean is not a number
        raise ValueError(
            f"a convolution window of {rhs.shape[:2]} does not fit into a map of {lhs.shape[1:3]} padded by {padding}"
        )
    if only_plain:
        return result
    if result.size == 0:
        return plain(lhs, rhs)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], window_strides, padding)
    window = xla_cpu.Window(
        size=(rhs.shape[0], rhs.shape[1]),
        strides=(window_strides[0], window_strides[1]),
        padding=((padding[0][0], padding[0][1]), (padding[1][0], padding[1][1])),
        map_size=(lhs.shape[1], lhs.shape[2]),
    )
    problem = xla_cpu.Problem.of(lhs, rhs, window, feature_group_count)
    return on_cpu(_ours, _plain, lhs, rhs, problem=problem, precision=precision)


def _are_maps(lhs: Array, rhs: Array, dimension_numbers: Any) -> bool:
    """Whether these are maps (N, H, W, C) and kernels (h, w, C / groups, C') of one floating type."""
    return (
        lhs.ndim == rhs.ndim == 4
        and lhs.dtype == rhs.dtype
        and jnp.issubdtype(lhs.dtype, jnp.floating)
        and lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
        == lax.conv_dimension_numbers(lhs.shape, rhs.shape, DIMENSIONS)
    )


def _plain(x: Array, kernel: Array, problem: xla_cpu.Problem, precision: Any) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=problem.window.strides,
        padding=problem.window.padding,
        dimension_numbers=DIMENSIONS,
        feature_group_count=problem.groups,
        precision=precision,
    )


def _ours(x: Array, kernel: Array, problem: xla_cpu.Problem, precision: Any) -> Array:
    return xla_cpu.convolve(x, kernel, problem)
