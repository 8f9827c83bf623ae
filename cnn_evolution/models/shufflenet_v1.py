"""ShuffleNet: X. Zhang, X. Zhou, M. Lin, J. Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for
Mobile Devices", CVPR 2018 (arXiv 1707.01083, 2017).

Bottlenecks whose 1 x 1 convolutions are grouped, with a shuffle of the channels so that groups hear of one another
(Fig. 2). `_g1` to `_g8` are the columns of Table 1 at width 1: more groups allow more channels at the same cost.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]

CHANNELS = {
    # groups: channels leaving stages 2, 3 and 4 (Table 1)
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}


class ShuffleUnit(nn.Module):
    """(N, H, W, C) -> (N, H / stride, W / stride, features) (Fig. 2b and c).

    The branch is added to the input; at stride 2 it is appended to the input's mean-pooled map.

    Attributes:
      features: Channels that leave the unit; a quarter of them is the bottleneck.
      stride: 1 or 2.
      groups: Groups of the 1 x 1 convolutions.
      reduce_groups: Groups of the first of them.
    """

    features: int
    stride: int
    groups: int
    reduce_groups: int
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        bottleneck = self.features // 4
        appended = self.features - x.shape[-1] if self.stride == 2 else self.features
        y = self.conv(bottleneck, 1, groups=self.reduce_groups, name="reduce")(x)
        y = self.act(self.norm(name="reduce_bn")(y))
        y = layers.channel_shuffle(y, self.groups)
        y = self.conv(bottleneck, 3, self.stride, 1, groups=bottleneck, name="depthwise")(y)
        y = self.norm(name="depthwise_bn")(y)
        y = self.conv(appended, 1, groups=self.groups, name="expand")(y)
        y = self.norm(name="expand_bn")(y)
        if self.stride == 1:
            return self.act(y + x)
        return self.act(jnp.concatenate([y, layers.avg_pool(x, 3, 2, padding=1)], axis=-1))


class ShuffleNetV1(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      groups: Groups of the 1 x 1 convolutions; a key of `CHANNELS`.
      depths: Units in stages 2, 3 and 4.
    """

    groups: int
    depths: tuple[int, ...] = (4, 8, 4)

    def backbone(self, images: Array, train: bool) -> Array:
        if self.groups not in CHANNELS:
            raise ValueError(f"groups is {self.groups}; expected one of {', '.join(map(str, CHANNELS))} (Table 1)")
        scale, act = layers.scaled(self.width, 4 * self.groups), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train)

        x = conv(layers.scaled(self.width, self.groups)(24), 3, 2, 1, name="conv1")(images)
        x = act(norm(name="bn1")(x))  # N x 112 x 112 x 24
        x = self.endpoint("stem", layers.max_pool(x, 3, 2, padding=1))  # N x 56 x 56 x 24
        for stage, (depth, features) in enumerate(zip(self.depths, CHANNELS[self.groups], strict=True), start=2):
            for i in range(1, depth + 1):
                unit = ShuffleUnit(
                    features=scale(features),
                    stride=2 if i == 1 else 1,
                    groups=self.groups,
                    reduce_groups=1 if stage == 2 and i == 1 else self.groups,  # the stem has few channels
                    conv=conv,
                    norm=norm,
                    act=act,
                    name=f"stage{stage}_block{i}",
                )
                x = unit(x)
            x = self.endpoint(f"stage{stage}", x)  # N x 28, 14, 7
        return x


VARIANTS = {f"shufflenet_v1_g{groups}": functools.partial(ShuffleNetV1, groups=groups) for groups in CHANNELS}
