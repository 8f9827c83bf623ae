"""Channel attention."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution.layers.pooling import global_avg_pool


class SqueezeExcite(nn.Module):
    """Scales every channel by a gate computed from all channels' means (Hu et al. 2018, Fig. 2).

    (N, H, W, C) -> (N, H, W, C): global mean, fully connected to C / reduction, ReLU, fully connected to C, sigmoid.
    """

    reduction: int = 16
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        gate = global_avg_pool(x)
        gate = nn.relu(nn.Dense(max(1, channels // self.reduction), dtype=self.dtype, name="squeeze")(gate))
        gate = nn.sigmoid(nn.Dense(channels, dtype=self.dtype, name="excite")(gate))
        return x * gate[:, None, None, :]
