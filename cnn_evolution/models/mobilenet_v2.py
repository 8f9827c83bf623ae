"""MobileNetV2: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018 (arXiv 1801.04381).

Shortcuts join the narrow maps instead of the wide ones: a block expands its input, looks at every channel alone, and
projects back without a nonlinearity, which would destroy what few channels hold (Table 1, Fig. 4). Later searched
networks are made of the same block.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
from jax import Array

from cnn_evolution import layers


class InvertedResidual(nn.Module):
    """1 x 1 expansion, depthwise convolution, linear 1 x 1 projection, (N, H, W, C) -> (N, H / stride, W / stride,
    features) (section 3.3).

    The input is added where the shape stays; an expansion that leaves the number of channels as it is is left out.

    Attributes:
      expanded: Channels between expansion and projection.
      features: Channels of the output.
      conv: Makes convolutions.
      norm: Makes normalisations.
      kernel_size: Of the depthwise convolution.
      stride: Of the depthwise convolution.
      padding: Of the depthwise convolution; None for half a filter on every side.
      act: The nonlinearity after the expansion and the depthwise convolution.
      attention: A module for the expanded channels, before the projection.
      drop_path: How often training drops the branch.
      train: Whether branches are dropped.
    """

    expanded: int
    features: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    kernel_size: int = 3
    stride: int = 1
    padding: layers.Padding | None = None
    act: layers.Activation = nn.relu6
    attention: Callable[..., nn.Module] | None = None
    drop_path: float = 0.0
    train: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = x
        if self.expanded != x.shape[-1]:
            y = self.conv(self.expanded, 1, name="expand")(y)
            y = self.act(self.norm(name="expand_bn")(y))
        size, padding = self.kernel_size, self.kernel_size // 2 if self.padding is None else self.padding
        y = self.conv(self.expanded, size, self.stride, padding, groups=self.expanded, name="depthwise")(y)
        y = self.act(self.norm(name="depthwise_bn")(y))
        if self.attention is not None:
            y = self.attention(name="attention")(y)
        y = self.conv(self.features, 1, name="project")(y)
        y = self.norm(name="project_bn")(y)
        if x.shape != y.shape:
            return y
        return x + layers.stochastic_depth(self.drop_path, train=self.train, name="drop_path")(y)


class Stage(NamedTuple):
    """A row of Table 2: t, c, n and s; and the size of the depthwise filters."""

    expansion: int
    features: int
    depth: int
    stride: int
    kernel_size: int = 3


STAGES = (
    Stage(1, 16, 1, 1),  # N x 112 x 112 x 16
    Stage(6, 24, 2, 2),  # N x 56 x 56 x 24
    Stage(6, 32, 3, 2),  # N x 28 x 28 x 32
    Stage(6, 64, 4, 2),  # N x 14 x 14 x 64
    Stage(6, 96, 3, 1),  # N x 14 x 14 x 96
    Stage(6, 160, 3, 2),  # N x 7 x 7 x 160
    Stage(6, 320, 1, 1),  # N x 7 x 7 x 320
)


class MobileNetV2(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      stages: The blocks, by stages.
    """

    stages: tuple[Stage, ...] = STAGES
    dropout: float = 0.2

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu6
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train)

        x = conv(scale(32), 3, 2, 1, name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))  # N x 112 x 112 x 32
        for number, stage in enumerate(self.stages, start=1):
            for i in range(1, stage.depth + 1):
                block = InvertedResidual(
                    expanded=stage.expansion * x.shape[-1],
                    features=scale(stage.features),
                    conv=conv,
                    norm=norm,
                    act=act,
                    kernel_size=stage.kernel_size,
                    stride=stage.stride if i == 1 else 1,
                    name=f"stage{number}_block{i}",
                )
                x = block(x)
            x = self.endpoint(f"stage{number}", x)
        x = conv(scale(1280), 1, name="conv2")(x)
        return self.endpoint("conv2", act(norm(name="bn2")(x)))  # N x 7 x 7 x 1280


VARIANTS: dict[str, Callable[..., nn.Module]] = {"mobilenet_v2": MobileNetV2}
