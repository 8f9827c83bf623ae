"""MobileNetV3: A. Howard et al., "Searching for MobileNetV3", ICCV 2019 (arXiv 1905.02244).

MobileNetV2's blocks as a search arranged them, with channel attention inside the expansion (Fig. 4), nonlinearities
that are cheap to compute (h-swish and a piecewise linear sigmoid, section 5.2), and the last layers moved behind the
pool, where they cost little (Fig. 5).
"""

import functools
from typing import NamedTuple

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.models.mobilenet_v2 import InvertedResidual

RE, HS = nn.relu, nn.hard_swish


class Row(NamedTuple):
    """A bottleneck of Table 1 or 2: filter size, exp size, #out, SE, NL and s."""

    kernel_size: int
    expanded: int
    features: int
    squeeze_excite: bool
    act: layers.Activation
    stride: int


# Table 1, by the size of the map
LARGE = (
    # N x 112 x 112
    (Row(3, 16, 16, False, RE, 1),),
    # N x 56 x 56
    (Row(3, 64, 24, False, RE, 2), Row(3, 72, 24, False, RE, 1)),
    # N x 28 x 28
    (Row(5, 72, 40, True, RE, 2), Row(5, 120, 40, True, RE, 1), Row(5, 120, 40, True, RE, 1)),
    # N x 14 x 14
    (
        Row(3, 240, 80, False, HS, 2),
        Row(3, 200, 80, False, HS, 1),
        Row(3, 184, 80, False, HS, 1),
        Row(3, 184, 80, False, HS, 1),
        Row(3, 480, 112, True, HS, 1),
        Row(3, 672, 112, True, HS, 1),
    ),
    # N x 7 x 7
    (Row(5, 672, 160, True, HS, 2), Row(5, 960, 160, True, HS, 1), Row(5, 960, 160, True, HS, 1)),
)

# Table 2, by the size of the map
SMALL = (
    # N x 56 x 56
    (Row(3, 16, 16, True, RE, 2),),
    # N x 28 x 28
    (Row(3, 72, 24, False, RE, 2), Row(3, 88, 24, False, RE, 1)),
    # N x 14 x 14
    (
        Row(5, 96, 40, True, HS, 2),
        Row(5, 240, 40, True, HS, 1),
        Row(5, 240, 40, True, HS, 1),
        Row(5, 120, 48, True, HS, 1),
        Row(5, 144, 48, True, HS, 1),
    ),
    # N x 7 x 7
    (Row(5, 288, 96, True, HS, 2), Row(5, 576, 96, True, HS, 1), Row(5, 576, 96, True, HS, 1)),
)


class MobileNetV3(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      stages: The blocks, by stages.
      hidden: Size of the fully connected layer before the last.
    """

    stages: tuple[tuple[Row, ...], ...]
    hidden: int
    dropout: float = 0.2

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or HS
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train, momentum=0.99, epsilon=1e-3)
        attention = functools.partial(
            layers.SqueezeExcite,
            act=self.act or RE,
            gate=nn.hard_sigmoid,
            dtype=self.dtype,
            kernel_init=layers.HE_FAN_IN,
        )

        x = conv(scale(16), 3, 2, 1, name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))  # N x 112 x 112 x 16
        for stage, rows in enumerate(self.stages, start=1):
            for i, row in enumerate(rows, start=1):
                expanded = scale(row.expanded)
                block = InvertedResidual(
                    expanded=expanded,
                    features=scale(row.features),
                    conv=conv,
                    norm=norm,
                    kernel_size=row.kernel_size,
                    stride=row.stride,
                    act=self.act or row.act,
                    attention=(
                        functools.partial(attention, squeezed=layers.make_divisible(expanded // 4))
                        if row.squeeze_excite
                        else None
                    ),
                    name=f"stage{stage}_block{i}",
                )
                x = block(x)
            x = self.endpoint(f"stage{stage}", x)
        x = conv(scale(6 * self.stages[-1][-1].features), 1, name="conv2")(x)
        return self.endpoint("conv2", act(norm(name="bn2")(x)))  # N x 7 x 7 x 960, or 576

    def pre_logits(self, x: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or HS
        x = nn.Dense(scale(self.hidden), dtype=self.dtype, name="fc1")(layers.global_avg_pool(x))
        return nn.Dropout(self.dropout, deterministic=not train, name="dropout")(act(x))  # N x 1280, or 1024


VARIANTS = {
    "mobilenet_v3_large": functools.partial(MobileNetV3, stages=LARGE, hidden=1280),
    "mobilenet_v3_small": functools.partial(MobileNetV3, stages=SMALL, hidden=1024),
}
