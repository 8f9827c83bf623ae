"""Grouped convolutions, as a few dense ones.

XLA multiplies grouped kernels as if every channel stood alone. Here each block of groups becomes one dense
convolution: a single group where it has channels enough (AlexNet's two halves), else neighbouring groups merged by a
block-diagonal kernel, whose zeros cost less than narrow products.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.xla_cpu.chunked import largest_divisor
from cnn_evolution.xla_cpu.materialize import materialize
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.thresholds import GROUPED_BLOCKS, GROUPED_CHANNELS

Dense = Callable[[Array, Array, Problem], Array]
"""Computes the same of a problem without groups."""


def forward(x: Array, kernel: Array, problem: Problem, dense: Dense) -> Array:
    blocks, merged = _blocks(problem)
    one = problem.block(blocks)
    return _by_block(lambda x, kernel: dense(x, kernel, one), blocks, x, _merge(kernel, problem.groups, merged))


def input_gradient(dy: Array, kernel: Array, problem: Problem, dense: Dense) -> Array:
    blocks, merged = _blocks(problem)
    one = problem.block(blocks)
    return _by_block(lambda dy, kernel: dense(dy, kernel, one), blocks, dy, _merge(kernel, problem.groups, merged))


def weight_gradient(x: Array, dy: Array, problem: Problem, dense: Dense) -> Array:
    blocks, merged = _blocks(problem)
    one = problem.block(blocks)
    channels, features = one.channels // merged, one.features // merged

    def of_block(x: Array, dy: Array) -> Array:
        dw = dense(x, dy, one).reshape(*problem.window.size, merged, channels, merged, features)
        return jnp.concatenate([dw[:, :, group, :, group] for group in range(merged)], axis=-1)

    return _by_block(of_block, blocks, x, dy)


def _blocks(problem: Problem) -> tuple[int, int]:
    """(number of blocks, groups merged into each)."""
    widest = max(problem.channels, problem.features) // problem.groups
    merged = largest_divisor(problem.groups, GROUPED_CHANNELS // widest)
    return problem.groups // merged, merged


def _merge(kernel: Array, groups: int, merged: int) -> Array:
    """(h, w, C / groups, C') -> (h, w, merged C / groups, C'), zero between a feature and other groups' channels."""
    height, width, channels, features = kernel.shape
    own_group = jnp.eye(merged, dtype=kernel.dtype)[:, None, None, :, None]
    split = kernel.reshape(height, width, 1, channels, groups // merged, merged, features // groups)
    return lax.optimization_barrier((own_group * split).reshape(height, width, merged * channels, features))


def _by_block(convolve: Callable[..., Array], blocks: int, *arrays: Array) -> Array:
    """`convolve` of every block's share of the arrays' last axes, joined along the last axis.

    Each block would take its own time to compile, so a loop takes a few at a time.
    """
    together = largest_divisor(blocks, GROUPED_BLOCKS)

    def share(array: Array, block: Array) -> Array:
        channels = array.shape[-1] // blocks
        # In memory, as slices are slow to transpose or convolve.
        part = functools.partial(lax.dynamic_slice_in_dim, slice_size=channels, axis=-1)
        return materialize(part, array, block * channels)

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
