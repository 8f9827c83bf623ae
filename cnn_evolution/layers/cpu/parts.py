"""Batches taken in parts of a few images, so that what is computed of a part stays in a cache."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax


def images_in_cache(images: int, bytes_of_one: int, cache: int) -> int:
    """The largest divisor of a batch of `images` of which so many stay in `cache` bytes; at least 1."""
    fitting = max(1, cache // bytes_of_one)
    return max(number for number in range(1, min(images, fitting) + 1) if images % number == 0)


def map_parts(function: Callable[[Array], Array], images: int, x: Array) -> Array:
    """`function(x)`, of `images` images at a time."""
    if images == x.shape[0]:
        return function(x)
    y = lax.map(function, x.reshape(-1, images, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])


def sum_parts(function: Callable[..., Array], images: int, *maps: Array) -> Array:
    """`function(*maps)`, of `images` images at a time, added up in at least float32."""
    n = maps[0].shape[0]
    if images == n:
        return function(*maps)

    def add(part: int, total: Array) -> Array:
        return total + function(*(lax.dynamic_slice_in_dim(one, part * images, images) for one in maps))

    of_part = jax.eval_shape(function, *(one[:images] for one in maps))
    zeros = jnp.zeros(of_part.shape, jnp.promote_types(of_part.dtype, jnp.float32))
    return lax.fori_loop(0, n // images, add, zeros)
