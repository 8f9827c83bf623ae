"""Batch normalisation and local response normalisation."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax


def batch_norm(*, train: bool, momentum: float = 0.9, epsilon: float = 1e-5, **options: Any) -> nn.BatchNorm:
    """Batch normalisation over N, H and W of (N, H, W, C) (Ioffe & Szegedy 2015).

    `momentum` is the share of the old running statistics that is kept, 1 minus torch's. `options` go to
    `nn.BatchNorm` (axis_name for synchronised statistics, dtype, scale_init, name).
    """
    return nn.BatchNorm(use_running_average=not train, momentum=momentum, epsilon=epsilon, **options)


def local_response_norm(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Array:
    """x / (k + alpha * sum of x^2 over `size` neighbouring channels) ** beta, on (N, H, W, C).

    Krizhevsky et al. 2012, section 3.3, with the paper's constants. Caffe and torch divide alpha by `size`; the paper
    does not. The sum is taken in float32: bfloat16 has too few digits to add alpha * x^2 to k.
    """
    half = size // 2
    squares = jnp.pad(jnp.square(x.astype(jnp.float32)), ((0, 0), (0, 0), (0, 0), (half, size - 1 - half)))
    scale = k + alpha * sum(squares[..., i : i + x.shape[-1]] for i in range(size))
    if beta == 0.75:  # two square roots take a third of the time of a general power on a CPU
        root = lax.rsqrt(scale)
        return x * (root * jnp.sqrt(root)).astype(x.dtype)
    return x * (scale**-beta).astype(x.dtype)
