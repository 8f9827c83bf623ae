"""Maps taken in chunks of equal size, so that what is computed of a chunk stays in a cache."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` up to `limit`; at least 1."""
    return max(divisor for divisor in range(1, max(1, min(number, limit)) + 1) if number % divisor == 0)


def map_chunks(function: Callable[[Array], Array], images: int, x: Array) -> Array:
    """`function(x)`, of `images` images at a time."""
    if images == x.shape[0]:
        return function(x)
    y = lax.map(function, x.reshape(-1, images, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])


def sum_chunks(function: Callable[..., Array], images: int, *maps: Array) -> Array:
    """`function(*maps)`, of `images` images at a time, added up in at least float32."""
    n = maps[0].shape[0]
    if images == n:
        return function(*maps)

    def add(chunk: int, total: Array) -> Array:
        return total + function(*(lax.dynamic_slice_in_dim(one, chunk * images, images) for one in maps))

    of_chunk = jax.eval_shape(function, *(one[:images] for one in maps))
    zeros = jnp.zeros(of_chunk.shape, jnp.promote_types(of_chunk.dtype, jnp.float32))
    return lax.fori_loop(0, n // images, add, zeros)
