"""Convolutions of a few input channels, such as those of a colour image.

A product of matrices would be too thin. Here every input channel that a tap of the kernel sees is multiplied with a
vector of weights, one for each output channel; XLA fuses the sum into one pass over memory.
"""

import functools

import jax.numpy as jnp
from jax import Array

from cnn_evolution.xla_cpu.materialize import materialize
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.window import taps


def forward(x: Array, kernel: Array, problem: Problem) -> Array:
    """Sums are taken in at least float32."""
    channels, features = kernel.shape[2:]
    weights = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32)).reshape(-1, features)

    def total(x: Array) -> Array:
        seen = [tap[..., channel, None] for tap in taps(x, problem.window) for channel in range(channels)]
        products = [values * weight for values, weight in zip(seen, weights, strict=True)]
        return functools.reduce(jnp.add, products).astype(x.dtype)

    return materialize(total, x)
