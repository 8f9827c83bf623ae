"""EfficientNet: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv 1905.11946).

A search like MnasNet's finds B0 (Table 1), of MobileNetV2's blocks with channel attention and swish; B1 to B7 are B0
with more channels, more blocks and larger images, grown together at a fixed proportion (section 3.3).
"""

import functools
import math
from collections.abc import Callable

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.models.mobilenet_v2 import InvertedResidual, Stage

# Table 1
STAGES = (
    Stage(1, 16, 1, 1),  # N x 112 x 112 x 16
    Stage(6, 24, 2, 2),  # N x 56 x 56 x 24
    Stage(6, 40, 2, 2, 5),  # N x 28 x 28 x 40
    Stage(6, 80, 3, 2),  # N x 14 x 14 x 80
    Stage(6, 112, 3, 1, 5),  # N x 14 x 14 x 112
    Stage(6, 192, 4, 2, 5),  # N x 7 x 7 x 192
    Stage(6, 320, 1, 1),  # N x 7 x 7 x 320
)


class EfficientNet(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3), or larger ones, to logits (N, num_classes).

    Channels times `width` are rounded by `layers.make_divisible`.

    Attributes:
      depth_multiplier: Factor on the number of blocks in every stage, rounded up.
      stages: The blocks of B0, by stages.
      drop_path: How often training would drop the branch of a block after the last; from the first, which it never
        drops, the chance grows evenly.
      momentum: The share of the old running statistics that training keeps at every step.
      epsilon: Added to the variances of batch normalisation.
    """

    depth_multiplier: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    dropout: float = 0.2
    drop_path: float = 0.2
    momentum: float = 0.9
    epsilon: float = 1e-5

    @property
    def depths(self) -> list[int]:
        """The number of blocks in every stage."""
        return [math.ceil(stage.depth * self.depth_multiplier) for stage in self.stages]

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled_divisible(self.width), self.act or nn.silu
        attention = functools.partial(layers.SqueezeExcite, act=act, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        return self.trunk(
            images,
            train,
            stem=scale(32),  # N x 112 x 112 x 32
            head=4 * scale(320),  # N x 7 x 7 x 1280
            act=act,
            padding=None,
            attention=lambda channels: functools.partial(attention, squeezed=channels // 4),
        )

    @nn.nowrap
    def trunk(
        self,
        images: Array,
        train: bool,
        *,
        stem: int,
        head: int,
        act: layers.Activation,
        padding: layers.Padding | None,
        attention: Callable[[int], Callable[..., nn.Module]] | None,
    ) -> Array:
        """Images (N, H, W, 3) to the last map, through the stem, the stages and the last convolution.

        Args:
          images: Normalised.
          train: Whether the network is trained.
          stem: Channels of the first convolution.
          head: Channels of the last.
          act: The nonlinearity.
          padding: Of the convolutions; None for half a filter on every side.
          attention: From a block's input channels to what makes its attention; None for blocks without.
        """
        scale, depths = layers.scaled_divisible(self.width), self.depths
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train, momentum=self.momentum, epsilon=self.epsilon)

        x = conv(stem, 3, 2, 1 if padding is None else padding, name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))
        for number, (stage, depth) in enumerate(zip(self.stages, depths, strict=True), start=1):
            for i in range(1, depth + 1):
                before = sum(depths[: number - 1]) + i - 1
                block = InvertedResidual(
                    expanded=stage.expansion * x.shape[-1],
                    features=scale(stage.features),
                    conv=conv,
                    norm=norm,
                    act=act,
                    kernel_size=stage.kernel_size,
                    stride=stage.stride if i == 1 else 1,
                    padding=padding,
                    attention=attention and attention(x.shape[-1]),
                    drop_path=self.drop_path * before / sum(depths),
                    train=train,
                    name=f"stage{number}_block{i}",
                )
                x = block(x)
            x = self.endpoint(f"stage{number}", x)
        x = conv(head, 1, name="conv2")(x)
        return self.endpoint("conv2", act(norm(name="bn2")(x)))


# factors on channels and blocks, and dropout
COEFFICIENTS = {
    "efficientnet_b0": (1.0, 1.0, 0.2),
    "efficientnet_b1": (1.0, 1.1, 0.2),
    "efficientnet_b2": (1.1, 1.2, 0.3),
    "efficientnet_b3": (1.2, 1.4, 0.3),
    "efficientnet_b4": (1.4, 1.8, 0.4),
    "efficientnet_b5": (1.6, 2.2, 0.4),
    "efficientnet_b6": (1.8, 2.6, 0.5),
    "efficientnet_b7": (2.0, 3.1, 0.5),
}

VARIANTS = {
    name: functools.partial(
        EfficientNet,
        width=width,
        depth_multiplier=depth_multiplier,
        dropout=dropout,
        momentum=0.99 if name >= "efficientnet_b5" else 0.9,
        epsilon=1e-3 if name >= "efficientnet_b5" else 1e-5,
    )
    for name, (width, depth_multiplier, dropout) in COEFFICIENTS.items()
}
