"""Xception: F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017 (arXiv 1610.02357,
2016).

The limit of an Inception block, which looks at every channel by itself: 3 x 3 depthwise, then 1 x 1 convolutions, with
no ReLU between them (section 4.7), in residual blocks whose ReLU comes first (Fig. 5).
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]


class SeparableConv(nn.Module):
    """3 x 3 filters of single channels, then 1 x 1 filters of all: (N, H, W, C) -> (N, H, W, features)."""

    features: int
    conv: ModuleDef

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        x = self.conv(channels, 3, 1, 1, groups=channels, name="depthwise")(x)
        return self.conv(self.features, 1, name="pointwise")(x)


class Block(nn.Module):
    """Separable convolutions and a shortcut, (N, H, W, C) -> (N, H / 2, W / 2, last features) with `halve` (Fig. 5).

    Without `halve` the map keeps its size, and the shortcut is the identity.
    """

    features: tuple[int, ...]
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation
    halve: bool = False
    act_first: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = x
        for i, features in enumerate(self.features, start=1):
            if i > 1 or self.act_first:
                y = self.act(y)
            y = SeparableConv(features, self.conv, name=f"sep{i}")(y)
            y = self.norm(name=f"bn{i}")(y)
        if self.halve:
            y = layers.max_pool(y, 3, 2, padding=1)
            x = self.conv(self.features[-1], 1, 2, name="shortcut_conv")(x)
            x = self.norm(name="shortcut_bn")(x)
        return x + y


class Xception(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 299, 299, 3) to logits (N, num_classes).

    Attributes:
      middle_blocks: Number of blocks in the middle flow.
    """

    middle_blocks: int = 8
    dropout: float = 0.5

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train)

        def block(*features: int, **options: Any) -> Block:
            return Block(tuple(map(scale, features)), conv, norm, act, **options)

        x = act(norm(name="bn1")(conv(scale(32), 3, 2, name="conv1")(images)))  # N x 149 x 149 x 32
        x = act(norm(name="bn2")(conv(scale(64), 3, name="conv2")(x)))  # N x 147 x 147 x 64
        x = self.endpoint("stem", x)
        x = self.endpoint("block1", block(128, 128, halve=True, act_first=False, name="block1")(x))  # N x 74 x 74 x 128
        x = self.endpoint("block2", block(256, 256, halve=True, name="block2")(x))  # N x 37 x 37 x 256
        x = self.endpoint("block3", block(728, 728, halve=True, name="block3")(x))  # N x 19 x 19 x 728
        for i in range(4, 4 + self.middle_blocks):
            x = block(728, 728, 728, name=f"block{i}")(x)
        x = self.endpoint("middle", x)  # N x 19 x 19 x 728
        x = block(728, 1024, halve=True, name="exit_block")(x)
        x = self.endpoint("exit_block", x)  # N x 10 x 10 x 1024
        x = act(norm(name="bn3")(SeparableConv(scale(1536), conv, name="sep3")(x)))  # N x 10 x 10 x 1536
        x = act(norm(name="bn4")(SeparableConv(scale(2048), conv, name="sep4")(x)))  # N x 10 x 10 x 2048
        return self.endpoint("sep4", x)


VARIANTS = {"xception": Xception}
