"""Blocks of branches side by side, described by data as the Inception papers draw them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution.layers.convolution import Size, pair


class Filters(NamedTuple):
    """A box of a figure: a convolution with batch normalisation and ReLU, or what stands for them.

    Attributes:
      features: Number of filters.
      size: Height and width of a filter.
      stride: Step of the filter.
      valid: No padding, as in boxes marked "V"; otherwise a map keeps its size but for the stride.
    """

    features: int
    size: Size = 1
    stride: int = 1
    valid: bool = False


class Fork(NamedTuple):
    """Two convolutions of the same map, concatenated."""

    a: Filters
    b: Filters


Branch = tuple[Filters | Fork | Callable[[Array], Array], ...]
"""What a map goes through in turn: filters, forks, and pools, which are functions."""


class ConvNormAct(nn.Module):
    """Convolution, normalisation and nonlinearity, (N, H, W, C) -> (N, H / stride, W / stride, features).

    Attributes:
      filters: The convolution.
      conv: Makes it.
      norm: Makes the normalisation.
      act: The nonlinearity.
      scale: From the published number of filters to this network's, `layers.scaled`.
    """

    filters: Filters
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]
    scale: Callable[[int], int]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features, size, stride, valid = self.filters
        height, width = pair(size)
        padding = (0, 0) if valid else (height // 2, width // 2)
        x = self.conv(self.scale(features), size, stride, padding, name="conv")(x)
        return self.act(self.norm(name="bn")(x))


class Branches(nn.Module):
    """Branches side by side, concatenated: (N, H, W, C) -> (N, H', W', sum of the branches).

    Attributes:
      branches: The branches by name.
      layer: Makes a layer of `Filters`: a partial of `ConvNormAct`.
    """

    branches: Mapping[str, Branch]
    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return side_by_side(x, self.branches, self.layer)


def side_by_side(x: Array, branches: Mapping[str, Branch], layer: Callable[..., nn.Module]) -> Array:
    """The same within another module.

    Layers are called by their branch and their number in it, as in `branch_3x3_2`; the number is left out where there
    is one only, and the two of a fork are told apart by `a` and `b`.
    """
    return jnp.concatenate([_along(x, branch, f"branch_{name}", layer) for name, branch in branches.items()], axis=-1)


def _along(x: Array, branch: Branch, name: str, layer: Callable[..., nn.Module]) -> Array:
    several = sum(not callable(step) for step in branch) > 1
    number = 0
    for step in branch:
        if callable(step):
            x = step(x)
            continue
        number += 1
        numbered = f"{name}_{number}" if several else name
        if isinstance(step, Fork):
            sides = [layer(filters, name=numbered + side)(x) for side, filters in zip("ab", step, strict=True)]
            x = jnp.concatenate(sides, axis=-1)
        else:
            x = layer(step, name=numbered)(x)
    return x
