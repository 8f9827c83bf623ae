"""Products of matrices, or of as many pairs of them as the leading axes have, in at least float32."""

import jax.numpy as jnp
from jax import Array, lax


def product(a: Array, b: Array) -> Array:
    """`a @ b`."""
    return jnp.matmul(a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))


def product_of_transpose(a: Array, b: Array) -> Array:
    """`a.T @ b`, of the last two axes.

    A transposition of its own would cost more than what the product then gains: XLA fuses what computes the operand
    into it, and runs that pixel by pixel. So XLA transposes within the product, which costs less the narrower `a` is:
    256 to 64 channels at 56 pixels, batch 16, 19.8 ms, or 14.1 as the transpose of `b.T @ a`.
    """
    if a.shape[-1] > b.shape[-1]:
        # The barrier keeps XLA from turning the product around again.
        return lax.optimization_barrier(product_of_transpose(b, a)).swapaxes(-1, -2)
    batch, rows = tuple(range(a.ndim - 2)), (a.ndim - 2,)
    dimensions = ((rows, rows), (batch, batch))
    return lax.dot_general(a, b, dimensions, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))
