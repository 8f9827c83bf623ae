"""Channel attention."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import Initializer

from cnn_evolution.layers.pooling import global_avg_pool


class SqueezeExcite(nn.Module):
    """Scales every channel by a gate computed from all channels' means (Hu et al. 2018, Fig. 2).

    (N, H, W, C) -> (N, H, W, C): global mean, fully connected to C / reduction, ReLU, fully connected to C, sigmoid.
    """

    reduction: int = 16
    dtype: Any = jnp.float32
    kernel_init: Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=self.kernel_init)
        gate = nn.relu(dense(max(1, channels // self.reduction), name="squeeze")(global_avg_pool(x)))
        gate = nn.sigmoid(dense(channels, name="excite")(gate))
        return x * gate[:, None, None, :]
