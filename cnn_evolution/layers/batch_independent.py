"""Normalisations that do not depend on the batch, for `norm=` in place of batch normalisation."""

import dataclasses
from typing import Any

import flax.linen as nn
from jax import Array, lax

from cnn_evolution.layers.normalisation import BatchNorm


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that names the numbers where channels do not divide into groups."""

    def __call__(self, x: Array, *, mask: Array | None = None) -> Array:
        channels, groups = x.shape[-1], self.num_groups or 1
        if channels % groups:
            largest = max(n for n in range(1, groups) if channels % n == 0)
            raise ValueError(
                f"{channels} channels of {self.name} do not divide into {groups} groups; "
                f"expected {largest} groups, the largest number below that divides them"
            )
        return super().__call__(x, mask=mask)


@dataclasses.dataclass(frozen=True)
class group_norm:
    """Group normalisation, (N, H, W, C) or (N, C) to the same (Wu & He 2018, arXiv 1803.08494, section 3).

    Each image's channels are normalised in `groups` groups by their mean and variance over pixels and channels of the
    group, in training as in evaluation. Epsilon is 1e-5; statistics are float32 whatever the dtype.

    Attributes:
      groups: Number of groups, 32 in the paper.

    Raises:
      ValueError: if `groups` is not positive; when the layer is called, if the channels do not divide into them.
    """

    groups: int = 32

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise ValueError(f"groups is {self.groups}; expected at least 1")

    def __call__(self, *, train: bool = False, dtype: Any = None, name: str | None = None) -> nn.Module:
        """The layer; it is the same in training and evaluation."""
        del train
        return GroupNorm(self.groups, epsilon=1e-5, use_fast_variance=False, dtype=dtype, name=name)


class FrozenBatchNorm(BatchNorm):
    """Batch normalisation whose statistics, scale and bias are constants, (N, H, W, C) or (N, C) to the same.

    It normalises by the running statistics whatever `train` is, and changes neither them nor, by a gradient, scale and
    bias, as torchvision's `FrozenBatchNorm2d`. Variables have the names of `BatchNorm`, so that a trained network's
    fill it. Scale and bias stay parameters with gradients of 0: weight decay still reaches them unless the optimiser
    leaves them out.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
        mean, var, scale, bias = self._variables(x.shape[-1])
        return self._fixed(x, *lax.stop_gradient((mean.value, var.value, scale, bias)))


frozen_batch_norm = FrozenBatchNorm
