"""MobileNet: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
arXiv 1704.04861 (2017).

A 3 x 3 convolution is split in two: one filter for each channel, then a 1 x 1 convolution that combines the channels,
at an eighth to a ninth of the cost (section 3.1, Table 1). A width multiplier trades accuracy for cost (section 3.3).

Deviations: Table 1 gives the last depthwise convolution stride 2, but the sizes beside it need stride 1. Padding is
symmetric, as in pytorchcv; TensorFlow's own networks pad below and on the right where the stride is 2 and the size
even. The paper does not state its initialisation; it is N(0, 2 / fan-in) here, and N(0, 1 / fan-in) in the classifier.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

# Table 1: output channels of the blocks; every stage but the first starts with stride 2
STAGES = (
    (64,),  # N x 112 x 112 x 64
    (128, 128),  # N x 56 x 56 x 128
    (256, 256),  # N x 28 x 28 x 256
    (512, 512, 512, 512, 512, 512),  # N x 14 x 14 x 512
    (1024, 1024),  # N x 7 x 7 x 1024
)


class DepthwiseSeparable(nn.Module):
    """A depthwise 3 x 3 and a pointwise 1 x 1 convolution, (N, H, W, C) -> (N, H / stride, W / stride, features)
    (Fig. 3 right)."""

    features: int
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        x = self.conv(channels, 3, self.stride, 1, groups=channels, name="depthwise")(x)
        x = nn.relu(self.norm(name="depthwise_bn")(x))
        x = self.conv(self.features, 1, name="pointwise")(x)
        return nn.relu(self.norm(name="pointwise_bn")(x))


class MobileNetV1(nn.Module):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      multiplier: The published network's own factor on every number of channels, the paper's alpha.
      num_classes: Size of the last layer; 0 leaves it out.
      width: A further factor on every number of channels.
      dtype: What the layers compute in; parameters, statistics and logits stay float32.
      axis_name: Mapped axis over which batch statistics are averaged.
    """

    multiplier: float = 1.0
    num_classes: int = 1000
    width: float = 1.0
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        scale = layers.scaled(self.multiplier * self.width)
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = functools.partial(layers.batch_norm, train=train, dtype=self.dtype, axis_name=self.axis_name)
        endpoint = functools.partial(layers.endpoint, self)

        x = conv(scale(32), 3, 2, 1, name="conv1")(images)
        x = endpoint("stem", nn.relu(norm(name="bn1")(x)))  # N x 112 x 112 x 32
        for stage, blocks in enumerate(STAGES, start=1):
            for i, features in enumerate(blocks, start=1):
                stride = 2 if stage > 1 and i == 1 else 1
                x = DepthwiseSeparable(scale(features), stride, conv, norm, name=f"stage{stage}_block{i}")(x)
            x = endpoint(f"stage{stage}", x)
        x = endpoint("pre_logits", layers.global_avg_pool(x))  # N x 1024
        if not self.num_classes:
            return x
        return nn.Dense(self.num_classes, dtype=jnp.float32, name="fc")(x)


VARIANTS = {
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v1_0_75": functools.partial(MobileNetV1, multiplier=0.75),
    "mobilenet_v1_0_5": functools.partial(MobileNetV1, multiplier=0.5),
    "mobilenet_v1_0_25": functools.partial(MobileNetV1, multiplier=0.25),
}
