"""Convolution as one product of matrices (im2col, Chellapilla et al. 2006).

Every window becomes a row of a matrix. For 1x1 kernels that matrix is the map itself.
"""

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.xla_cpu.matmul import matmul, matmul_of_transpose
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.window import Window, scatter, taps


def forward(x: Array, kernel: Array, problem: Problem) -> Array:
    y = matmul(im2col(x, problem.window), kernel.reshape(-1, kernel.shape[-1]))
    return y.reshape(x.shape[0], *problem.window.output_size, -1).astype(x.dtype)


def input_gradient(dy: Array, kernel: Array, problem: Problem) -> Array:
    channels, features = kernel.shape[2:]
    columns = matmul(dy.reshape(-1, features), kernel.reshape(-1, features).T)
    return col2im(columns, dy.shape, channels, problem.window).astype(dy.dtype)


def weight_gradient(x: Array, dy: Array, problem: Problem) -> Array:
    channels, features = x.shape[-1], dy.shape[-1]
    dw = matmul_of_transpose(im2col(x, problem.window), dy.reshape(-1, features))
    return dw.reshape(*problem.window.size, channels, features).astype(x.dtype)


def im2col(x: Array, window: Window) -> Array:
    """All windows as rows of a matrix: (N, H, W, C) -> (N H' W', h w C)."""
    columns = jnp.concatenate(taps(x, window), axis=-1)
    return lax.optimization_barrier(columns).reshape(-1, window.taps * x.shape[-1])


def col2im(columns: Array, output_shape: tuple[int, ...], channels: int, window: Window) -> Array:
    """The adjoint of `im2col`: adds the rows up where windows overlap, (N H' W', h w C) -> (N, H, W, C)."""
    columns = lax.optimization_barrier(columns).reshape(*output_shape[:3], window.taps, channels)
    return scatter([columns[..., tap, :] for tap in range(window.taps)], window)
