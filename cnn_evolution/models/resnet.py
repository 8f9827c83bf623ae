"""ResNet: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv
1512.03385, 2015).

Blocks learn what to add to their input (Fig. 2 and 5); where the shape changes the shortcut is a 1 x 1 projection
(option B), or it has no parameters (option A, the `_option_a` variants): every second pixel, and zeros for the new
channels. `plain18` and `plain34` are the same layers without shortcuts, which shows what these do (Table 2).
`resnet50`, `101` and `152` have a stage's stride in the first block's 3 x 3 convolution, as in the authors' later work
and in torchvision; the `_v1` variants have it in the first 1 x 1 convolution, as published, which costs less and sees
less.
"""

import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]

SHORTCUTS = ("A", "B", "none")
"""Where the shape changes: zeros for new channels, projections; and no shortcut anywhere (section 3.3)."""


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, (N, H, W, C) -> (N, H / stride, W / stride, features) (Fig. 5 left).

    Attributes:
      projection: Filter size of the shortcut's convolution where the block has a stride.
      branch_act: Whether the branch ends in a nonlinearity of its own (timm's SE-ResNet-18). Its last scale then starts
        at 1, because ReLU has no gradient at 0.
    """

    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    last_norm: ModuleDef
    act: layers.Activation
    attention: ModuleDef | None
    shortcut: str = "B"
    projection: int = 1
    branch_act: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = self.conv(self.features, 3, self.stride, 1, name="conv1")(x)
        y = self.act(self.norm(name="bn1")(y))
        y = self.conv(self.features, 3, 1, 1, name="conv2")(y)
        y = self.act(self.norm(name="bn2")(y)) if self.branch_act else self.last_norm(name="bn2")(y)
        return add_shortcut(self, x, y)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a shortcut, (N, H, W, C) -> (N, H / stride, W / stride, 4 features)
    (Fig. 5).

    Attributes:
      stride_in_1x1: Whether the first convolution has the stride, instead of the second.
      widening: Channels of the 3 x 3 convolution, in multiples of `features`.
      groups: Groups of the 3 x 3 convolution; fewer where they do not divide a narrow network's channels.
      reduction: Its channels over those of the first 1 x 1 convolution.
      projection: Filter size of the shortcut's convolution where the block has a stride.
    """

    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    last_norm: ModuleDef
    act: layers.Activation
    attention: ModuleDef | None
    shortcut: str = "B"
    stride_in_1x1: bool = False
    widening: int = 1
    groups: int = 1
    reduction: int = 1
    projection: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        first, second = (self.stride, 1) if self.stride_in_1x1 else (1, self.stride)
        inner = self.widening * self.features
        reduced = inner // self.reduction
        y = self.conv(reduced, 1, first, name="conv1")(x)
        y = self.act(self.norm(name="bn1")(y))
        y = self.conv(inner, 3, second, 1, groups=math.gcd(self.groups, reduced), name="conv2")(y)
        y = self.act(self.norm(name="bn2")(y))
        y = self.conv(4 * self.features, 1, name="conv3")(y)
        y = self.last_norm(name="bn3")(y)
        return add_shortcut(self, x, y)


def add_shortcut(block: BasicBlock | Bottleneck, x: Array, y: Array) -> Array:
    """The end of every block: attention to the branch `y` if there is any, the addition of the shortcut from `x`,
    ReLU.

    Raises:
      ValueError: if the block's `shortcut` is none of `SHORTCUTS`.
    """
    if block.shortcut not in SHORTCUTS:
        raise ValueError(f"shortcut is {block.shortcut!r}; expected one of {', '.join(map(repr, SHORTCUTS))}")
    if block.attention is not None:
        y = block.attention(name="attention")(y)
    if block.shortcut == "none":
        return block.act(y)
    if block.stride != 1 or x.shape[-1] != y.shape[-1]:
        if block.shortcut == "A":
            x = x[:, :: block.stride, :: block.stride]
            x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, y.shape[-1] - x.shape[-1])))
        else:
            kernel_size = block.projection if block.stride != 1 else 1
            x = block.conv(y.shape[-1], kernel_size, block.stride, kernel_size // 2, name="shortcut_conv")(x)
            x = block.norm(name="shortcut_bn")(x)
    return block.act(x + y)


class ResNet(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      block: `BasicBlock`, `Bottleneck` or a partial of one.
      depths: Blocks in each stage.
      features: Channels of each stage's 3 x 3 convolutions.
      shortcut: One of `SHORTCUTS`.
      attention: A module for the end of every block's branch, for example `layers.SqueezeExcite`; made with `act`,
        `dtype` and `kernel_init`.
      stem: Channels and filter size of each convolution before the first stage.
      stem_pool: Whether a 3 x 3 pool follows them.
      ceil_pool: Whether this pool rounds up, instead of padding by one.
      zero_init_last: Whether the last scale of every branch starts at 0, so that blocks start as identities
        (Goyal et al. 2017); not in the paper.
      stem_stride: Stride of the first convolution.

    Raises:
      ValueError: if `shortcut` is none of `SHORTCUTS`, or the last scales should start at 0 without a shortcut or batch
        normalisation.
    """

    block: ModuleDef
    depths: tuple[int, ...]
    features: tuple[int, ...] = (64, 128, 256, 512)
    shortcut: str = "B"
    attention: ModuleDef | None = None
    stem: tuple[tuple[int, int], ...] = ((64, 7),)
    stem_pool: bool = True
    ceil_pool: bool = False
    zero_init_last: bool = False
    stem_stride: int = 2

    def backbone(self, images: Array, train: bool) -> Array:
        if self.zero_init_last and self.shortcut == "none":
            raise ValueError("zero_init_last is True, but without shortcuts nothing would pass; expected False")
        if self.zero_init_last and not layers.is_batch_norm(self.norm):
            raise ValueError("zero_init_last is True, but norm replaces batch normalisation; expected False")
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_OUT)
        norm = last_norm = self.norm_layer(train)
        if self.zero_init_last:
            last_norm = self.norm_layer(train, scale_init=nn.initializers.zeros)
        attention = self.attention
        if attention is not None:
            attention = functools.partial(attention, act=act, dtype=self.dtype, kernel_init=layers.HE_FAN_OUT)

        x = images
        for i, (features, kernel_size) in enumerate(self.stem, start=1):
            stride = self.stem_stride if i == 1 else 1
            x = conv(scale(features), kernel_size, stride, kernel_size // 2, name=f"conv{i}")(x)
            x = act(norm(name=f"bn{i}")(x))  # N x 112 x 112 x 64
        if self.stem_pool:
            x = layers.max_pool(x, 3, 2, ceil_mode=True) if self.ceil_pool else layers.max_pool(x, 3, 2, padding=1)
        x = self.endpoint("stem", x)  # N x 56 x 56 x 64
        for stage, (depth, features) in enumerate(zip(self.depths, self.features, strict=True), start=1):
            for i in range(1, depth + 1):
                stride = 2 if stage > 1 and i == 1 else 1
                block = self.block(
                    features=scale(features),
                    stride=stride,
                    conv=conv,
                    norm=norm,
                    last_norm=last_norm,
                    act=act,
                    attention=attention,
                    shortcut=self.shortcut,
                    name=f"stage{stage}_block{i}",
                )
                x = block(x)
            x = self.endpoint(f"stage{stage}", x)  # N x 56, 28, 14, 7
        return x


bottleneck_v1 = functools.partial(Bottleneck, stride_in_1x1=True)

VARIANTS = {
    "resnet18": functools.partial(ResNet, block=BasicBlock, depths=(2, 2, 2, 2)),
    "resnet34": functools.partial(ResNet, block=BasicBlock, depths=(3, 4, 6, 3)),
    "resnet50": functools.partial(ResNet, block=Bottleneck, depths=(3, 4, 6, 3)),
    "resnet101": functools.partial(ResNet, block=Bottleneck, depths=(3, 4, 23, 3)),
    "resnet152": functools.partial(ResNet, block=Bottleneck, depths=(3, 8, 36, 3)),
    "resnet18_option_a": functools.partial(ResNet, block=BasicBlock, depths=(2, 2, 2, 2), shortcut="A"),
    "resnet34_option_a": functools.partial(ResNet, block=BasicBlock, depths=(3, 4, 6, 3), shortcut="A"),
    "plain18": functools.partial(ResNet, block=BasicBlock, depths=(2, 2, 2, 2), shortcut="none"),
    "plain34": functools.partial(ResNet, block=BasicBlock, depths=(3, 4, 6, 3), shortcut="none"),
    "resnet50_v1": functools.partial(ResNet, block=bottleneck_v1, depths=(3, 4, 6, 3)),
    "resnet101_v1": functools.partial(ResNet, block=bottleneck_v1, depths=(3, 4, 23, 3)),
    "resnet152_v1": functools.partial(ResNet, block=bottleneck_v1, depths=(3, 8, 36, 3)),
}
