"""Squeeze-and-excitation, which gates channels."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import Initializer

from cnn_evolution.layers.pooling import global_avg_pool


class SqueezeExcite(nn.Module):
    """Scales every channel by a gate computed from all channels' means (Hu et al. 2018, Fig. 2).

    (N, H, W, C) -> (N, H, W, C): global mean, fully connected to C / reduction, ReLU, fully connected to C, sigmoid.

    Attributes:
      reduction: How many times fewer the channels in the middle are.
      squeezed: Their number itself, where it is not C / reduction.
      act: The nonlinearity in the middle.
      gate: The nonlinearity at the end, which gives factors.
      dtype: What it computes in.
      kernel_init: Initialisation of both layers.
    """

    reduction: int = 16
    squeezed: int | None = None
    act: Callable[[Array], Array] = nn.relu
    gate: Callable[[Array], Array] = nn.sigmoid
    dtype: Any = jnp.float32
    kernel_init: Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=self.kernel_init)
        squeezed = max(1, channels // self.reduction) if self.squeezed is None else self.squeezed
        factors = self.act(dense(squeezed, name="squeeze")(global_avg_pool(x)))
        factors = self.gate(dense(channels, name="excite")(factors))
        return x * factors[:, None, None, :]
