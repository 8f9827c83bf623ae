"""Values that are computed once, however often they are used."""

from collections.abc import Callable

import jax
from jax import Array
from jax.experimental.xla_metadata import set_xla_metadata


def materialize(function: Callable[..., Array], *operands: Array) -> Array:
    """`function(*operands)`, as an array in memory.

    XLA computes what elementwise operations and slices give anew in every loop that uses it, and `optimization_barrier`
    is gone by then. It does not look into calls, which it otherwise replaces by what they call.
    """
    return set_xla_metadata(jax.jit(function)(*operands), inlineable="false")
