"""Products of matrices, or of as many pairs of them as the leading axes have, in at least float32."""

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.xla_cpu.once import once
from cnn_evolution.xla_cpu.parts import largest_divisor

LARGE = 2**27  # multiplications
TALL = 64  # times as many rows as columns
PARTS = 4  # as many cores have work on a product of a few tall columns


def product(a: Array, b: Array) -> Array:
    """`a @ b`."""
    return jnp.matmul(a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))


def product_of_transpose(a: Array, b: Array) -> Array:
    """`a.T @ b`, of the last two axes.

    XLA has a slower library for products of this form. So the narrower one of large matrices is transposed before, in
    memory: fused with what computes it, XLA would transpose pixel by pixel. 512 to 1024 channels at 14 pixels, batch
    16, 29 ms became 24. Sums over very many rows are taken in parts side by side instead: 64 to 128 channels at 56
    pixels 11 ms became 8. Small matrices, and many pairs of them, gain from neither.
    """
    if a.shape[-1] > b.shape[-1]:
        # The barrier keeps XLA from turning the product around again.
        return lax.optimization_barrier(product_of_transpose(b, a)).swapaxes(-1, -2)
    if a.ndim > 2 or a.size * b.shape[-1] < LARGE:
        return _sums_over_rows(a, b)
    rows = a.shape[0]
    if rows >= TALL * b.shape[1]:
        parts = largest_divisor(rows, PARTS)
        return _sums_over_rows(*(one.reshape(parts, rows // parts, -1) for one in (a, b))).sum(axis=0)
    return product(once(_transposed, a), b)


def _transposed(a: Array) -> Array:
    return lax.transpose(a, (1, 0))


def _sums_over_rows(a: Array, b: Array) -> Array:
    """`a.T @ b` of every pair of matrices, which XLA transposes within the product."""
    pairs, rows = tuple(range(a.ndim - 2)), (a.ndim - 2,)
    dimensions = ((rows, rows), (pairs, pairs))
    return lax.dot_general(a, b, dimensions, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))
