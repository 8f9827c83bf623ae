"""Batch normalisation and local response normalisation."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jax.nn.initializers import Initializer

from cnn_evolution import xla_cpu
from cnn_evolution.layers.platform import on_cpu


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, (N, H, W, C) or (N, C) to the same (Ioffe & Szegedy 2015).

    Training normalises by the batch's mean and biased variance, and moves the running statistics, from which no
    gradient flows, towards its mean and unbiased variance, as torch does. Statistics are at least float32 whatever
    `dtype`.

    Attributes:
      train: Whether to use the batch's statistics and to update the running ones, or to use the running ones.
      momentum: The share of the old running statistics that is kept, 1 minus torch's.
      epsilon: Added to the variance.
      use_scale: Whether there is a learnt factor for each channel.
      use_bias: Whether there is a learnt summand for each channel.
      scale_init: Initialisation of the factors.
      bias_init: Initialisation of the summands.
      dtype: Of the output; None for that of the input.
      axis_name: Mapped axis over which the batch's statistics are averaged.
      fixed_at: Paths of layers, such as "stage1_block1/bn1", that use the running statistics in training too, and keep
        them.

    Raises:
      ValueError: in training, if there is one value a channel, which has no variance.
    """

    train: bool
    momentum: float = 0.9
    epsilon: float = 1e-5
    use_scale: bool = True
    use_bias: bool = True
    scale_init: Initializer = nn.initializers.ones
    bias_init: Initializer = nn.initializers.zeros
    dtype: Any = None
    axis_name: str | None = None
    fixed_at: frozenset[str] = frozenset()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        running_mean, running_var, scale, bias = self._variables(x.shape[-1])
        if not self.train or "/".join(self.path) in self.fixed_at:
            return self._fixed(x, running_mean.value, running_var.value, scale, bias)
        axis_name = None if self.is_initializing() else self.axis_name
        y, mean, var = on_cpu(
            xla_cpu.batch_norm.normalise,
            xla_cpu.batch_norm.plain,
            x,
            scale,
            bias,
            epsilon=self.epsilon,
            axis_name=axis_name,
        )
        if not self.is_initializing():
            values = x.size // x.shape[-1] * (1 if axis_name is None else lax.axis_size(axis_name))
            if values == 1:
                raise ValueError(f"a map of shape {x.shape} has no variance; expected more than one value a channel")
            unbiased = var * (values / (values - 1))
            running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * lax.stop_gradient(mean)
            running_var.value = self.momentum * running_var.value + (1 - self.momentum) * lax.stop_gradient(unbiased)
        return y.astype(x.dtype if self.dtype is None else self.dtype)

    @nn.nowrap
    def _variables(self, channels: int) -> tuple[nn.Variable, nn.Variable, Array, Array]:
        """The running mean and variance, the factors and the summands of the channels."""
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        scale = self.param("scale", self.scale_init, (channels,)) if self.use_scale else jnp.ones(channels, jnp.float32)
        bias = self.param("bias", self.bias_init, (channels,)) if self.use_bias else jnp.zeros(channels, jnp.float32)
        return mean, var, scale, bias

    @nn.nowrap
    def _fixed(self, x: Array, mean: Array, var: Array, scale: Array, bias: Array) -> Array:
        """Normalised by statistics that are not the batch's."""
        factor = scale * lax.rsqrt(var + self.epsilon)
        y = xla_cpu.batch_norm.affine(x, factor, bias - mean * factor)
        return y.astype(x.dtype if self.dtype is None else self.dtype)


batch_norm = BatchNorm  # it is called like the functions that make other layers


def local_response_norm(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Array:
    """x / (k + alpha * sum of x^2 over `size` neighbouring channels) ** beta, on (N, H, W, C).

    Krizhevsky et al. 2012, section 3.3, with the paper's constants. Caffe and torch divide alpha by `size`; the paper
    does not. The sum is taken in float32: bfloat16 has too few digits to add alpha * x^2 to k.
    """
    squares = jnp.square(x.astype(jnp.float32))
    sums = on_cpu(
        xla_cpu.sum_of_neighbours, xla_cpu.channel_sum.plain, squares, before=size // 2, after=(size - 1) // 2
    )
    scale = k + alpha * sums
    if beta == 0.75:  # two square roots take a third of the time of a general power on a CPU
        root = lax.rsqrt(scale)
        return x * (root * jnp.sqrt(root)).astype(x.dtype)
    return x * (scale**-beta).astype(x.dtype)
