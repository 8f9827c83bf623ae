"""ShuffleNet V2: N. Ma, X. Zhang, H.-T. Zheng, J. Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN
Architecture Design", ECCV 2018 (arXiv 1807.11164).

Half of the channels pass a unit untouched, the other half through 1 x 1, depthwise 3 x 3 and 1 x 1 convolutions
without groups; then the halves are shuffled (Fig. 3c and d). `_x0_5` to `_x2_0` are the columns of Table 5.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]


class ShuffleUnit(nn.Module):
    """(N, H, W, C) -> (N, H / stride, W / stride, features) (Fig. 3c; with stride 2 Fig. 3d).

    At stride 1, where C is `features`, the branch sees the second half of the channels only; at stride 2 it sees all,
    and so does a shortcut of its own.
    """

    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        half = self.features // 2
        if self.stride == 1:
            x, y = jnp.split(x, 2, axis=-1)
        else:
            y = x
            x = self._depthwise(x, "shortcut_depthwise")
            x = self._pointwise(x, half, "shortcut_pointwise")
        y = self._pointwise(y, half, "pointwise1")
        y = self._depthwise(y, "depthwise")
        y = self._pointwise(y, half, "pointwise2")
        return layers.channel_shuffle(jnp.concatenate([x, y], axis=-1), 2)

    def _pointwise(self, x: Array, features: int, name: str) -> Array:
        return self.act(self.norm(name=f"{name}_bn")(self.conv(features, 1, name=name)(x)))

    def _depthwise(self, x: Array, name: str) -> Array:
        x = self.conv(x.shape[-1], 3, self.stride, 1, groups=x.shape[-1], name=name)(x)
        return self.norm(name=f"{name}_bn")(x)


class ShuffleNetV2(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      channels: Channels leaving stages 2, 3 and 4 and conv5.
      depths: Units in stages 2, 3 and 4.
    """

    channels: tuple[int, int, int, int]
    depths: tuple[int, ...] = (4, 8, 4)

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train)

        x = conv(scale(24), 3, 2, 1, name="conv1")(images)
        x = act(norm(name="bn1")(x))  # N x 112 x 112 x 24
        x = self.endpoint("stem", layers.max_pool(x, 3, 2, padding=1))  # N x 56 x 56 x 24
        *stages, last = self.channels
        for stage, (depth, features) in enumerate(zip(self.depths, stages, strict=True), start=2):
            for i in range(1, depth + 1):
                stride = 2 if i == 1 else 1
                x = ShuffleUnit(scale(features), stride, conv, norm, act, name=f"stage{stage}_block{i}")(x)
            x = self.endpoint(f"stage{stage}", x)  # N x 28, 14, 7
        x = conv(scale(last), 1, name="conv5")(x)
        return self.endpoint("conv5", act(norm(name="bn5")(x)))  # N x 7 x 7 x 1024, or 2048 in x2_0


VARIANTS = {
    "shufflenet_v2_x0_5": functools.partial(ShuffleNetV2, channels=(48, 96, 192, 1024)),
    "shufflenet_v2_x1_0": functools.partial(ShuffleNetV2, channels=(116, 232, 464, 1024)),
    "shufflenet_v2_x1_5": functools.partial(ShuffleNetV2, channels=(176, 352, 704, 1024)),
    "shufflenet_v2_x2_0": functools.partial(ShuffleNetV2, channels=(244, 488, 976, 2048)),
}
