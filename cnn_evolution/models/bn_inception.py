"""BN-Inception: S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
Covariate Shift", ICML 2015 (arXiv 1502.03167).

GoogLeNet with batch normalisation after every convolution, two 3 x 3 filters in a row instead of 5 x 5, mean pools
inside most blocks, one block more at 28 x 28, and reductions by blocks whose filters step by two beside a pool
(appendix, Fig. 5). Dropout and local response normalisation are gone: batch normalisation makes them unnecessary
(section 4.2.1).
"""

import functools
from collections.abc import Callable

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.layers import Branch, Filters

Branches = dict[str, Branch]

MEAN = functools.partial(layers.avg_pool, window=3, stride=1, padding=1)
MAXIMUM = functools.partial(layers.max_pool, window=3, stride=1, padding=1)


def halve(x: Array) -> Array:
    """3 x 3 max-pool at stride 2, (N, H, W, C) -> (N, H / 2, W / 2, C), rounded up as the filters beside it do."""
    return layers.max_pool(x, 3, 2, padding=(x.shape[1] % 2, x.shape[2] % 2), ceil_mode=True)


def inception(
    conv_1x1: int, reduce_3x3: int, conv_3x3: int, reduce_double: int, double_3x3: int, pool: Callable, proj: int
) -> Branches:
    """A row of Fig. 5."""
    return {
        "1x1": (Filters(conv_1x1),),
        "3x3": (Filters(reduce_3x3), Filters(conv_3x3, 3)),
        "double3x3": (Filters(reduce_double), Filters(double_3x3, 3), Filters(double_3x3, 3)),
        "pool": (pool, Filters(proj)),
    }


def reduction(reduce_3x3: int, conv_3x3: int, reduce_double: int, double_3x3: int) -> Branches:
    """A row of Fig. 5 with stride 2, whose pool passes the map through."""
    return {
        "3x3": (Filters(reduce_3x3), Filters(conv_3x3, 3, 2)),
        "double3x3": (Filters(reduce_double), Filters(double_3x3, 3), Filters(double_3x3, 3, 2)),
        "pool": (halve,),
    }


BLOCKS = {
    "3a": inception(64, 64, 64, 64, 96, MEAN, 32),  # N x 28 x 28 x 256
    "3b": inception(64, 64, 96, 64, 96, MEAN, 64),  # N x 28 x 28 x 320
    "3c": reduction(128, 160, 64, 96),  # N x 14 x 14 x 576
    "4a": inception(224, 64, 96, 96, 128, MEAN, 128),  # N x 14 x 14 x 576
    "4b": inception(192, 96, 128, 96, 128, MEAN, 128),  # N x 14 x 14 x 576
    "4c": inception(160, 128, 160, 128, 160, MEAN, 128),  # N x 14 x 14 x 608
    "4d": inception(96, 128, 192, 160, 192, MEAN, 128),  # N x 14 x 14 x 608
    "4e": reduction(128, 192, 192, 256),  # N x 7 x 7 x 1056
    "5a": inception(352, 192, 320, 160, 224, MEAN, 128),  # N x 7 x 7 x 1024
    "5b": inception(352, 192, 320, 192, 224, MAXIMUM, 128),  # N x 7 x 7 x 1024
}


class BNInception(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes)."""

    def backbone(self, images: Array, train: bool) -> Array:
        layer = functools.partial(
            layers.ConvNormAct,
            conv=functools.partial(layers.conv, dtype=self.dtype, kernel_init=layers.HE_FAN_IN),
            norm=self.norm_layer(train),
            act=self.act or nn.relu,
            scale=layers.scaled(self.width),
        )

        x = self.endpoint("conv1", layer(Filters(64, 7, 2), name="conv1")(images))  # N x 112 x 112 x 64
        x = self.endpoint("pool1", layers.max_pool(x, 3, 2, ceil_mode=True))  # N x 56 x 56 x 64
        x = self.endpoint("conv2_reduce", layer(Filters(64), name="conv2_reduce")(x))  # N x 56 x 56 x 64
        x = self.endpoint("conv2", layer(Filters(192, 3), name="conv2")(x))  # N x 56 x 56 x 192
        x = self.endpoint("pool2", layers.max_pool(x, 3, 2, ceil_mode=True))  # N x 28 x 28 x 192
        for name, branches in BLOCKS.items():
            x = self.endpoint(name, layers.Branches(branches, layer, name=f"inception_{name}")(x))
        return x


VARIANTS = {"bn_inception": BNInception}
