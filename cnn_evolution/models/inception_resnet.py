"""Inception-ResNet-v2: C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, "Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning", AAAI 2017 (arXiv 1602.07261, 2016).

Inception blocks as branches of a residual network: a 1 x 1 convolution without normalisation expands the concatenation
to the map's channels, and the sum is scaled down, without which training of wide networks broke down (section 3.3).
Blocks have the names of the authors' TensorFlow code.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.layers import Branch, Filters
from cnn_evolution.models.inception_v3 import HALVE, stem
from cnn_evolution.models.inception_v4 import MEAN

Branches = dict[str, Branch]

MIXED_5B: Branches = {
    "1x1": (Filters(96),),
    "5x5": (Filters(48), Filters(64, 5)),
    "3x3dbl": (Filters(64), Filters(96, 3), Filters(96, 3)),
    "pool": (MEAN, Filters(64)),
}
BLOCK_35: Branches = {  # Fig. 16
    "1x1": (Filters(32),),
    "3x3": (Filters(32), Filters(32, 3)),
    "3x3dbl": (Filters(32), Filters(48, 3), Filters(64, 3)),
}
MIXED_6A: Branches = {  # Fig. 7 with k, l, m, n = 256, 256, 384, 384
    "3x3": (Filters(384, 3, 2, valid=True),),
    "3x3dbl": (Filters(256), Filters(256, 3), Filters(384, 3, 2, valid=True)),
    "pool": (HALVE,),
}
BLOCK_17: Branches = {  # Fig. 17
    "1x1": (Filters(192),),
    "7x7": (Filters(128), Filters(160, (1, 7)), Filters(192, (7, 1))),
}
MIXED_7A: Branches = {  # Fig. 18
    "3x3a": (Filters(256), Filters(384, 3, 2, valid=True)),
    "3x3b": (Filters(256), Filters(288, 3, 2, valid=True)),
    "3x3dbl": (Filters(256), Filters(288, 3), Filters(320, 3, 2, valid=True)),
    "pool": (HALVE,),
}
BLOCK_8: Branches = {  # Fig. 19
    "1x1": (Filters(192),),
    "3x3": (Filters(192), Filters(224, (1, 3)), Filters(256, (3, 1))),
}


class ResidualBranches(nn.Module):
    """Branches, expanded and scaled, added to their input: (N, H, W, C) -> (N, H, W, C) (Fig. 20)."""

    branches: Branches
    layer: Callable[..., nn.Module]
    conv: Callable[..., nn.Module]
    act: layers.Activation
    residual_scale: float
    act_last: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = layers.side_by_side(x, self.branches, self.layer)
        y = self.conv(x.shape[-1], 1, name="expand")(y)
        x = x + self.residual_scale * y
        return self.act(x) if self.act_last else x


class InceptionResNetV2(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 299, 299, 3) to logits (N, num_classes).

    Attributes:
      depths: Number of blocks at 35 x 35, 17 x 17 and 8 x 8.
    """

    depths: tuple[int, int, int] = (10, 20, 10)
    dropout: float = 0.2

    def backbone(self, images: Array, train: bool) -> Array:
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        layer = functools.partial(
            layers.ConvNormAct,
            conv=functools.partial(conv, use_bias=False),
            norm=self.norm_layer(train, epsilon=1e-3),
            act=self.act or nn.relu,
            scale=layers.scaled(self.width),
        )
        mixed = functools.partial(layers.Branches, layer=layer)
        block = functools.partial(ResidualBranches, layer=layer, conv=conv, act=self.act or nn.relu)
        depth_35, depth_17, depth_8 = self.depths

        x = self.endpoint("stem", stem(images, layer))  # N x 35 x 35 x 192
        x = self.endpoint("mixed_5b", mixed(MIXED_5B, name="mixed_5b")(x))  # N x 35 x 35 x 320
        for i in range(1, depth_35 + 1):
            x = block(BLOCK_35, residual_scale=0.17, name=f"block35_{i}")(x)
        x = self.endpoint("block35", x)  # N x 35 x 35 x 320
        x = self.endpoint("mixed_6a", mixed(MIXED_6A, name="mixed_6a")(x))  # N x 17 x 17 x 1088
        for i in range(1, depth_17 + 1):
            x = block(BLOCK_17, residual_scale=0.1, name=f"block17_{i}")(x)
        x = self.endpoint("block17", x)  # N x 17 x 17 x 1088
        x = self.endpoint("mixed_7a", mixed(MIXED_7A, name="mixed_7a")(x))  # N x 8 x 8 x 2080
        for i in range(1, depth_8):
            x = block(BLOCK_8, residual_scale=0.2, name=f"block8_{i}")(x)
        x = block(BLOCK_8, residual_scale=1.0, act_last=False, name="block8_last")(x)
        x = self.endpoint("block8", x)  # N x 8 x 8 x 2080
        return self.endpoint("conv_7b", layer(Filters(1536), name="conv_7b")(x))  # N x 8 x 8 x 1536


VARIANTS = {"inception_resnet_v2": InceptionResNetV2}
