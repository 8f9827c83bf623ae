"""Products of matrices, or of as many pairs of them as the leading axes have, in at least float32."""

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.xla_cpu.chunked import largest_divisor
from cnn_evolution.xla_cpu.materialize import materialize
from cnn_evolution.xla_cpu.thresholds import MATMUL_CHUNKS, MATMUL_LARGE, MATMUL_TALL


def matmul(a: Array, b: Array) -> Array:
    """`a @ b`."""
    return jnp.matmul(a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))


def matmul_of_transpose(a: Array, b: Array) -> Array:
    """`a.T @ b`, of the last two axes.

    XLA has a slower library for products of this form. So the narrower one of large matrices is transposed before, in
    memory: fused with what computes it, XLA would transpose pixel by pixel. Sums over very many rows are taken in
    chunks side by side instead. Small matrices, and many pairs of them, gain from neither.
    """
    if a.shape[-1] > b.shape[-1]:
        # The barrier keeps XLA from turning the product around again.
        return lax.optimization_barrier(matmul_of_transpose(b, a)).swapaxes(-1, -2)
    if a.ndim > 2 or a.size * b.shape[-1] < MATMUL_LARGE:
        return _sums_over_rows(a, b)
    rows = a.shape[0]
    if rows >= MATMUL_TALL * b.shape[1]:
        chunks = largest_divisor(rows, MATMUL_CHUNKS)
        return _sums_over_rows(*(one.reshape(chunks, rows // chunks, -1) for one in (a, b))).sum(axis=0)
    return matmul(materialize(_transposed, a), b)


def _transposed(a: Array) -> Array:
    return lax.transpose(a, (1, 0))


def _sums_over_rows(a: Array, b: Array) -> Array:
    """`a.T @ b` of every pair of matrices, which XLA transposes within the product."""
    pairs, rows = tuple(range(a.ndim - 2)), (a.ndim - 2,)
    dimensions = ((rows, rows), (pairs, pairs))
    return lax.dot_general(a, b, dimensions, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))
