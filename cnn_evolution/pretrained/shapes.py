"""How PyTorch lays out what Flax calls kernel, bias, scale, mean and var."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Shapes = Mapping[str, tuple[int, ...]]

LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
"""Torch's names for the leaves of a layer; a leaf that is not listed is a parameter of its own, with its own name."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """A change of axes and its inverse, each a function of an array."""

    to_torch: Callable[[Array], Array]
    from_torch: Callable[[Array], Array]


def _same(x: Array) -> Array:
    return x


def _flattened_map(channels: int) -> Layout:
    """A fully connected layer on a flattened map: torch's inputs are ordered (C, H, W), ours (H, W, C).

    Both are square maps of `channels` channels; from (H * W * C, features) to (features, C * H * W).
    """

    def to_torch(kernel: Array) -> Array:
        inputs, features = kernel.shape
        return np.moveaxis(kernel.reshape(inputs // channels, channels, features), 0, 1).reshape(inputs, features).T

    def from_torch(weight: Array) -> Array:
        features, inputs = weight.shape
        return np.moveaxis(weight.T.reshape(channels, inputs // channels, features), 0, 1).reshape(inputs, features)

    return Layout(to_torch, from_torch)


CONVOLUTION = Layout(lambda kernel: kernel.transpose(3, 2, 0, 1), lambda weight: weight.transpose(2, 3, 1, 0))
DENSE = Layout(lambda kernel: kernel.T, lambda weight: weight.T)
DENSE_AS_1X1 = Layout(lambda kernel: kernel.T[:, :, None, None], lambda weight: weight[:, :, 0, 0].T)
COLUMN = Layout(lambda scale: scale[:, None, None], lambda scale: scale[:, 0, 0])
UNCHANGED = Layout(_same, _same)


def layout(leaf: str, ndim: int, rule: str, scale: Callable[[int], int]) -> Layout:
    """The change of axes for a leaf of a layer.

    Args:
      leaf: Our name of the leaf.
      ndim: Its number of axes here.
      rule: "": convolutions from (h, w, C / groups, C') to (C', C / groups, h, w), fully connected layers transposed,
        vectors as they are. "1x1": a fully connected layer that is a 1 x 1 convolution there. "flat:C": a fully
        connected layer that follows a flattened map of C channels, as published. "column": a vector that is (C, 1, 1)
        there.
      scale: From a published number of channels to this network's, `layers.scaled`.

    Raises:
      ValueError: for any other rule.
    """
    if rule == "column":
        return COLUMN
    if rule == "1x1":
        return DENSE_AS_1X1 if leaf == "kernel" else UNCHANGED
    if rule.startswith("flat:"):
        return _flattened_map(scale(int(rule.removeprefix("flat:")))) if leaf == "kernel" else UNCHANGED
    if rule:
        raise ValueError(f"no rule {rule!r}; there are 1x1, flat:CHANNELS and column")
    if leaf == "kernel":
        return CONVOLUTION if ndim == 4 else DENSE
    return UNCHANGED


def differences(wanted: Shapes, found: Shapes, beyond: str = "unused") -> list[str]:
    """A line for every array that is missing, that is found `beyond` what is wanted, or that has another shape."""
    lines = [f"missing: {name} {shape}" for name, shape in wanted.items() if name not in found]
    lines += [f"{beyond}: {name} {shape}" for name, shape in found.items() if name not in wanted]
    lines += [
        f"wrong shape: {name} is {found[name]}, expected {shape}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    return lines
