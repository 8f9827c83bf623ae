"""The scale of the pixels that a network sees."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike


class Pixels(NamedTuple):
    """What a network takes for zero and one: mean and deviation of R, G and B, for pixels in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


NORMALISATIONS = {
    "imagenet": Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar": Pixels((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "half": Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""By the name that the catalogue uses."""


def unit_range(images: Array) -> Array:
    """uint8 to floats in [0, 1], float32 unless JAX has 64 bits enabled; floats are taken to be there already."""
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"images must have the shape (N, H, W, 3), got {images.shape}")
    if images.dtype == jnp.uint8:
        return images.astype(float) / 255
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images.astype(float)
    raise TypeError(f"images must be uint8 or floating in [0, 1], got {images.dtype}")


def normalise(images: Array, mean: Sequence[float], std: Sequence[float], dtype: DTypeLike = float) -> Array:
    """Zero mean and unit deviation per channel.

    Args:
      images: (N, H, W, 3), uint8, or floating in [0, 1].
      mean: Of R, G and B, for pixels in [0, 1].
      std: Likewise.
      dtype: Of the result; the arithmetic is that of `unit_range`.
    """
    return ((unit_range(images) - jnp.asarray(mean)) / jnp.asarray(std)).astype(dtype)
