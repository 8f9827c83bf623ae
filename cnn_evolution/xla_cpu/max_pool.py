"""Maximum pooling that remembers where the maximum was.

XLA's gradient (select-and-scatter) searches every window again, one pixel at a time. Here the forward pass keeps the
position of the maximum in one byte, and the backward pass puts the gradient there.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array

from cnn_evolution.xla_cpu.window import Window, scatter, taps

MAX_POOL_TAPS = 127  # positions fit into int8


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool(x: Array, window: Window) -> Array:
    """Maximum over windows, (N, H, W, C) -> (N, H', W', C). The first maximum of a window gets its gradient."""
    return functools.reduce(jnp.maximum, taps(x, window, -jnp.inf))


def _forward(x: Array, window: Window) -> tuple[Array, Array]:
    largest, *others = taps(x, window, -jnp.inf)
    position = jnp.zeros(largest.shape, jnp.int8)
    for i, tap in enumerate(others, start=1):
        wins = (tap > largest) | jnp.isnan(tap)
        position = jnp.where(wins, jnp.int8(i), position)
        largest = jnp.where(wins, tap, largest)
    return largest, position


def _backward(window: Window, position: Array, dy: Array) -> tuple[Array]:
    return (scatter([jnp.where(position == tap, dy, 0) for tap in range(window.taps)], window),)


max_pool.defvjp(_forward, _backward)
