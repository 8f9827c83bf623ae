"""Inception-v3: C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for
Computer Vision", CVPR 2016 (arXiv 1512.00567, 2015).

Filters in factors: 5 x 5 as two 3 x 3 (Fig. 5), 7 x 7 as 1 x 7 and 7 x 1 (Fig. 6), and 3 x 3 split into 1 x 3 beside
3 x 1 where maps are small (Fig. 7); reductions by filters beside a pool (Fig. 10); an auxiliary classifier with batch
normalisation (Fig. 8). Blocks and branches have the names of the authors' TensorFlow code.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.layers import Branch, Filters, Fork

Branches = dict[str, Branch]

HALVE = functools.partial(layers.max_pool, window=3, stride=2)
MEAN = functools.partial(layers.avg_pool, window=3, stride=1, padding=1)


def stem(x: Array, layer: Callable[..., nn.Module]) -> Array:
    """From images to blocks, (N, 299, 299, 3) -> (N, 35, 35, 192)."""
    x = layer(Filters(32, 3, 2, valid=True), name="conv_1a")(x)  # N x 149 x 149 x 32
    x = layer(Filters(32, 3, valid=True), name="conv_2a")(x)  # N x 147 x 147 x 32
    x = layer(Filters(64, 3), name="conv_2b")(x)  # N x 147 x 147 x 64
    x = HALVE(x)  # N x 73 x 73 x 64
    x = layer(Filters(80), name="conv_3b")(x)  # N x 73 x 73 x 80
    x = layer(Filters(192, 3, valid=True), name="conv_4a")(x)  # N x 71 x 71 x 192
    return HALVE(x)  # N x 35 x 35 x 192


def inception_35(pool_proj: int) -> Branches:
    """Fig. 5, but for the 5 x 5."""
    return {
        "1x1": (Filters(64),),
        "5x5": (Filters(48), Filters(64, 5)),
        "3x3dbl": (Filters(64), Filters(96, 3), Filters(96, 3)),
        "pool": (MEAN, Filters(pool_proj)),
    }


def inception_17(narrow: int) -> Branches:
    """Fig. 6 with n = 7."""
    return {
        "1x1": (Filters(192),),
        "7x7": (Filters(narrow), Filters(narrow, (1, 7)), Filters(192, (7, 1))),
        "7x7dbl": (
            Filters(narrow),
            Filters(narrow, (7, 1)),
            Filters(narrow, (1, 7)),
            Filters(narrow, (7, 1)),
            Filters(192, (1, 7)),
        ),
        "pool": (MEAN, Filters(192)),
    }


SPLIT = Fork(Filters(384, (1, 3)), Filters(384, (3, 1)))
INCEPTION_8: Branches = {  # Fig. 7
    "1x1": (Filters(320),),
    "3x3": (Filters(384), SPLIT),
    "3x3dbl": (Filters(448), Filters(384, 3), SPLIT),
    "pool": (MEAN, Filters(192)),
}
REDUCTION_17: Branches = {
    "3x3": (Filters(384, 3, 2, valid=True),),
    "3x3dbl": (Filters(64), Filters(96, 3), Filters(96, 3, 2, valid=True)),
    "pool": (HALVE,),
}
REDUCTION_8: Branches = {
    "3x3": (Filters(192), Filters(320, 3, 2, valid=True)),
    "7x7x3": (Filters(192), Filters(192, (1, 7)), Filters(192, (7, 1)), Filters(192, 3, 2, valid=True)),
    "pool": (HALVE,),
}

BLOCKS = {
    "5b": inception_35(32),  # N x 35 x 35 x 256
    "5c": inception_35(64),  # N x 35 x 35 x 288
    "5d": inception_35(64),  # N x 35 x 35 x 288
    "6a": REDUCTION_17,  # N x 17 x 17 x 768
    "6b": inception_17(128),  # N x 17 x 17 x 768
    "6c": inception_17(160),  # N x 17 x 17 x 768
    "6d": inception_17(160),  # N x 17 x 17 x 768
    "6e": inception_17(192),  # N x 17 x 17 x 768
    "7a": REDUCTION_8,  # N x 8 x 8 x 1280
    "7b": INCEPTION_8,  # N x 8 x 8 x 2048
    "7c": INCEPTION_8,  # N x 8 x 8 x 2048
}
AUXILIARY_AFTER = "6e"


class AuxiliaryClassifier(nn.Module):
    """Logits from the last 17 x 17 map, (N, H, W, C) -> (N, num_classes) (Fig. 8)."""

    num_classes: int
    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        large = min(x.shape[1:3]) >= 17
        x = layers.avg_pool(x, 5, 3) if large else layers.adaptive_avg_pool(x, 5)  # N x 5 x 5 x 768
        x = self.layer(Filters(128), name="conv1")(x)  # N x 5 x 5 x 128
        x = self.layer(Filters(768, 5, valid=True), name="conv2")(x)  # N x 1 x 1 x 768
        return nn.Dense(self.num_classes, dtype=layers.logits_dtype(x), name="fc")(layers.global_avg_pool(x))


class InceptionV3(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 299, 299, 3) to logits (N, num_classes).

    The auxiliary classifier's logits go to the collection "aux_logits", as "6e", where that is mutable; otherwise they
    are not computed.

    Attributes:
      aux_heads: Whether there is an auxiliary classifier.
    """

    aux_heads: bool = True
    dropout: float = 0.5

    def backbone(self, images: Array, train: bool) -> Array:
        layer = functools.partial(
            layers.ConvNormAct,
            conv=functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN),
            norm=self.norm_layer(train, epsilon=1e-3),
            act=self.act or nn.relu,
            scale=layers.scaled(self.width),
        )

        x = self.endpoint("stem", stem(images, layer))  # N x 35 x 35 x 192
        for name, branches in BLOCKS.items():
            x = self.endpoint(f"mixed_{name}", layers.Branches(branches, layer, name=f"mixed_{name}")(x))
            if name == AUXILIARY_AFTER and self.aux_heads and self.auxiliary_wanted():
                head = AuxiliaryClassifier(self.num_classes, layer, name=f"aux_{name}")
                layers.endpoint(self, name, head(x), "aux_logits")
        return x


VARIANTS = {"inception_v3": InceptionV3}
