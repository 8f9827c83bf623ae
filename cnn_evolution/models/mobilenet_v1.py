"""MobileNet: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
arXiv 1704.04861 (2017).

A 3 x 3 convolution is split in two: one filter for each channel, then a 1 x 1 convolution that combines the channels,
at an eighth to a ninth of the cost (section 3.1, Table 1). A width multiplier trades accuracy for cost (section 3.3).
"""

import functools
from collections.abc import Callable

import flax.linen as nn
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
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        x = self.conv(channels, 3, self.stride, 1, groups=channels, name="depthwise")(x)
        x = self.act(self.norm(name="depthwise_bn")(x))
        x = self.conv(self.features, 1, name="pointwise")(x)
        return self.act(self.norm(name="pointwise_bn")(x))


class MobileNetV1(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    `width` is the paper's alpha.
    """

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train)

        x = conv(scale(32), 3, 2, 1, name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))  # N x 112 x 112 x 32
        for stage, blocks in enumerate(STAGES, start=1):
            for i, features in enumerate(blocks, start=1):
                stride = 2 if stage > 1 and i == 1 else 1
                x = DepthwiseSeparable(scale(features), stride, conv, norm, act, name=f"stage{stage}_block{i}")(x)
            x = self.endpoint(f"stage{stage}", x)
        return x


VARIANTS = {
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v1_0_75": functools.partial(MobileNetV1, width=0.75),
    "mobilenet_v1_0_5": functools.partial(MobileNetV1, width=0.5),
    "mobilenet_v1_0_25": functools.partial(MobileNetV1, width=0.25),
}
