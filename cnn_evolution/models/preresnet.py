"""ResNet v2: K. He, X. Zhang, S. Ren, J. Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016 (arXiv
1603.05027); and Wide ResNet for CIFAR: S. Zagoruyko, N. Komodakis, "Wide Residual Networks", BMVC 2016 (arXiv
1605.07146).

Normalisation and ReLU come before each convolution and nothing after the addition, so that the identity reaches from
the first block to the last (Fig. 1b, Table 2). Where the shape changes, the projection sees what the first convolution
sees. `wrn_28_10` has blocks of two 3 x 3 convolutions, 28 layers and ten times the channels of a CIFAR ResNet.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]

BASIC = ((3, 1), (3, 1))
BOTTLENECK = ((1, 1), (3, 1), (1, 4))


class Block(nn.Module):
    """Pre-activated convolutions and a shortcut, (N, H, W, C) -> (N, H / stride, W / stride, features') (Fig. 4e).

    Attributes:
      features: Channels of the block's inner convolutions.
      stride: Of its first 3 x 3 convolution.
      plan: Filter size of each convolution, and its channels in multiples of `features`.
    """

    features: int
    stride: int
    plan: tuple[tuple[int, int], ...]
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shortcut = x
        strided = [kernel_size for kernel_size, _ in self.plan].index(3)
        channels = self.plan[-1][1] * self.features
        for i, (kernel_size, multiple) in enumerate(self.plan):
            stride = self.stride if i == strided else 1
            x = self.act(self.norm(name=f"bn{i + 1}")(x))
            if i == 0 and (self.stride != 1 or shortcut.shape[-1] != channels):
                shortcut = self.conv(channels, 1, self.stride, name="shortcut_conv")(x)
            x = self.conv(multiple * self.features, kernel_size, stride, kernel_size // 2, name=f"conv{i + 1}")(x)
        return x + shortcut


class PreResNet(layers.NormalisedNetwork, kw_only=True):
    """Images (N, H, W, 3) to logits (N, num_classes).

    Attributes:
      plan: Of every block, `BASIC` or `BOTTLENECK`.
      depths: Blocks in each stage.
      features: Channels of the inner convolutions in each stage.
      stem_features: Channels of the first convolution.
      cifar_stem: A 3 x 3 convolution for small images, instead of 7 x 7 with stride 2, normalisation, ReLU and a pool.
    """

    plan: tuple[tuple[int, int], ...]
    depths: tuple[int, ...]
    features: tuple[int, ...] = (64, 128, 256, 512)
    stem_features: int = 64
    cifar_stem: bool = False

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_OUT)
        norm = self.norm_layer(train)

        if self.cifar_stem:
            x = conv(scale(self.stem_features), 3, 1, 1, name="conv1")(images)  # N x 32 x 32 x 16
        else:
            x = conv(scale(self.stem_features), 7, 2, 3, name="conv1")(images)
            x = act(norm(name="bn1")(x))  # N x 112 x 112 x 64
            x = layers.max_pool(x, 3, 2, padding=1)  # N x 56 x 56 x 64
        x = self.endpoint("stem", x)
        for stage, (depth, features) in enumerate(zip(self.depths, self.features, strict=True), start=1):
            for i in range(1, depth + 1):
                stride = 2 if stage > 1 and i == 1 else 1
                x = Block(scale(features), stride, self.plan, conv, norm, act, name=f"stage{stage}_block{i}")(x)
            x = self.endpoint(f"stage{stage}", x)  # N x 56, 28, 14, 7; for CIFAR N x 32, 16, 8
        return act(norm(name="last_bn")(x))


bottleneck = functools.partial(PreResNet, plan=BOTTLENECK)

VARIANTS = {
    "preresnet50": functools.partial(bottleneck, depths=(3, 4, 6, 3)),
    "preresnet101": functools.partial(bottleneck, depths=(3, 4, 23, 3)),
    "preresnet152": functools.partial(bottleneck, depths=(3, 8, 36, 3)),
    "preresnet200": functools.partial(bottleneck, depths=(3, 24, 36, 3)),
    "wrn_28_10": functools.partial(
        PreResNet,
        plan=BASIC,
        depths=(4, 4, 4),
        features=(160, 320, 640),
        stem_features=16,
        cifar_stem=True,
        num_classes=10,
    ),
}
