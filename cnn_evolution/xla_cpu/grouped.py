"""Grouped convolutions, as a few dense ones.

XLA multiplies grouped kernels as if every channel stood alone. Here each block of groups becomes one dense
convolution: a single group where it has channels enough (AlexNet's two halves), else neighbouring groups merged by a
block-diagonal kernel, whose zeros cost less than narrow products. Against `lax`, AlexNet's second convolution at
half width (5x5, 48 to 128 channels, 2 groups, 9 pixels, batch 64), forward, input and weight gradient: 14, 27 and 123
ms became 6, 8 and 7.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.xla_cpu import dense
from cnn_evolution.xla_cpu.once import once
from cnn_evolution.xla_cpu.parts import largest_divisor
from cnn_evolution.xla_cpu.window import Window

BLOCK_CHANNELS = 16  # as wide as a vector register of 16 floats
SIDE_BY_SIDE = 4  # blocks that run at the same time


def forward(x: Array, kernel: Array, window: Window, groups: int) -> Array:
    blocks, merged = _blocks(groups, kernel.shape[2], kernel.shape[3] // groups)
    return _by_block(lambda x, kernel: dense.forward(x, kernel, window), blocks, x, _merge(kernel, groups, merged))


def input_gradient(dy: Array, kernel: Array, window: Window, groups: int) -> Array:
    blocks, merged = _blocks(groups, kernel.shape[2], kernel.shape[3] // groups)
    kernels = _merge(kernel, groups, merged)
    return _by_block(lambda dy, kernel: dense.input_gradient(dy, kernel, window), blocks, dy, kernels)


def weight_gradient(x: Array, dy: Array, window: Window, groups: int) -> Array:
    channels, features = x.shape[-1] // groups, dy.shape[-1] // groups
    blocks, merged = _blocks(groups, channels, features)

    def of_block(x: Array, dy: Array) -> Array:
        dw = dense.weight_gradient(x, dy, window).reshape(*window.size, merged, channels, merged, features)
        return jnp.concatenate([dw[:, :, group, :, group] for group in range(merged)], axis=-1)

    return _by_block(of_block, blocks, x, dy)


def _blocks(groups: int, channels: int, features: int) -> tuple[int, int]:
    """(number of blocks, groups merged into each) for groups of `channels` inputs and `features` outputs."""
    merged = largest_divisor(groups, BLOCK_CHANNELS // max(channels, features))
    return groups // merged, merged


def _merge(kernel: Array, groups: int, merged: int) -> Array:
    """(h, w, C / groups, C') -> (h, w, merged C / groups, C'), zero between a feature and other groups' channels."""
    height, width, channels, features = kernel.shape
    own_group = jnp.eye(merged, dtype=kernel.dtype)[:, None, None, :, None]
    split = kernel.reshape(height, width, 1, channels, groups // merged, merged, features // groups)
    return lax.optimization_barrier((own_group * split).reshape(height, width, merged * channels, features))


def _by_block(convolve: Callable[..., Array], blocks: int, *arrays: Array) -> Array:
    """`convolve` of every block's share of the arrays' last axes, joined along the last axis.

    Each block would take its own time to compile. In a loop over four at a time ResNeXt-50's training step compiles in
    13 s; over eight it took 21, and its layers run no faster.
    """
    together = largest_divisor(blocks, SIDE_BY_SIDE)

    def share(array: Array, block: Array) -> Array:
        channels = array.shape[-1] // blocks
        # In memory, as slices are slow to transpose or convolve: 3x3/2 of 256 channels in 32 groups at 56 pixels, batch
        # 16, kernel gradient 63 ms, now 32.
        part = functools.partial(lax.dynamic_slice_in_dim, slice_size=channels, axis=-1)
        return once(part, array, block * channels)

    def result(block: Array) -> Array:
        return convolve(*(share(array, block) for array in arrays))

    def step(i: Array, joined: Array) -> Array:
        numbers = [i * together + j for j in range(together)]
        for block, part in [(block, result(block)) for block in numbers]:
            joined = lax.dynamic_update_slice_in_dim(joined, part, block * part.shape[-1], axis=-1)
        return joined

    part = jax.eval_shape(result, jnp.int32(0))
    zeros = jnp.zeros((*part.shape[:-1], part.shape[-1] * blocks), part.dtype)
    return lax.fori_loop(0, blocks // together, step, zeros)
