"""Adaptive pooling: a fixed output size from a map of any size."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def adaptive_avg_pool(x: Array, size: int) -> Array:
    """Mean over size x size bins that cover the map, (N, H, W, C) -> (N, size, size, C).

    As in torch, bin i of a side of n pixels is [floor(i n / size), ceil((i + 1) n / size)): bins overlap where n is
    not a multiple of `size`, and repeat pixels where n is smaller.
    """
    rows, columns = (_bins(side, size) for side in x.shape[1:3])
    return jnp.einsum("ih,jw,nhwc->nijc", rows, columns, x, precision=lax.Precision.HIGHEST).astype(x.dtype)


def _bins(side: int, size: int) -> np.ndarray:
    """A (size, side) matrix whose row i averages over bin i."""
    weights = np.zeros((size, side), np.float32)
    for i in range(size):
        start, stop = i * side // size, -(-(i + 1) * side // size)
        weights[i, start:stop] = 1 / (stop - start)
    return weights
