"""Inception-v4: C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, "Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning", AAAI 2017 (arXiv 1602.07261, 2016).

Inception-v3 made uniform: the stem branches as well (Fig. 3), and the three kinds of block (Fig. 4 to 6) repeat without
change between two reductions (Fig. 7 and 8).
"""

import functools

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.layers import Branch, Filters, Fork

Branches = dict[str, Branch]

HALVE = functools.partial(layers.max_pool, window=3, stride=2)
MEAN = functools.partial(layers.avg_pool, window=3, stride=1, padding=1, count_include_pad=False)

# The three places where the stem branches (Fig. 3)
MIXED_3A: Branches = {
    "pool": (HALVE,),
    "3x3": (Filters(96, 3, 2, valid=True),),
}
MIXED_4A: Branches = {
    "3x3": (Filters(64), Filters(96, 3, valid=True)),
    "7x7": (Filters(64), Filters(64, (1, 7)), Filters(64, (7, 1)), Filters(96, 3, valid=True)),
}
MIXED_5A: Branches = {
    "3x3": (Filters(192, 3, 2, valid=True),),
    "pool": (HALVE,),
}

INCEPTION_A: Branches = {  # Fig. 4
    "1x1": (Filters(96),),
    "3x3": (Filters(64), Filters(96, 3)),
    "3x3dbl": (Filters(64), Filters(96, 3), Filters(96, 3)),
    "pool": (MEAN, Filters(96)),
}
REDUCTION_A: Branches = {  # Fig. 7 with k, l, m, n = 192, 224, 256, 384
    "3x3": (Filters(384, 3, 2, valid=True),),
    "3x3dbl": (Filters(192), Filters(224, 3), Filters(256, 3, 2, valid=True)),
    "pool": (HALVE,),
}
INCEPTION_B: Branches = {  # Fig. 5
    "1x1": (Filters(384),),
    "7x7": (Filters(192), Filters(224, (1, 7)), Filters(256, (7, 1))),
    "7x7dbl": (
        Filters(192),
        Filters(192, (7, 1)),
        Filters(224, (1, 7)),
        Filters(224, (7, 1)),
        Filters(256, (1, 7)),
    ),
    "pool": (MEAN, Filters(128)),
}
REDUCTION_B: Branches = {  # Fig. 8
    "3x3": (Filters(192), Filters(192, 3, 2, valid=True)),
    "7x7x3": (Filters(256), Filters(256, (1, 7)), Filters(320, (7, 1)), Filters(320, 3, 2, valid=True)),
    "pool": (HALVE,),
}
SPLIT = Fork(Filters(256, (1, 3)), Filters(256, (3, 1)))
INCEPTION_C: Branches = {  # Fig. 6
    "1x1": (Filters(256),),
    "3x3": (Filters(384), SPLIT),
    "3x3dbl": (Filters(384), Filters(448, (3, 1)), Filters(512, (1, 3)), SPLIT),
    "pool": (MEAN, Filters(256)),
}


class InceptionV4(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 299, 299, 3) to logits (N, num_classes).

    Attributes:
      depths: Number of Inception-A, B and C blocks (Fig. 9).
    """

    depths: tuple[int, int, int] = (4, 7, 3)
    dropout: float = 0.2

    def backbone(self, images: Array, train: bool) -> Array:
        layer = functools.partial(
            layers.ConvNormAct,
            conv=functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN),
            norm=self.norm_layer(train, epsilon=1e-3),
            act=self.act or nn.relu,
            scale=layers.scaled(self.width),
        )
        block = functools.partial(layers.Branches, layer=layer)
        a, b, c = self.depths

        x = layer(Filters(32, 3, 2, valid=True), name="conv_1a")(images)  # N x 149 x 149 x 32
        x = layer(Filters(32, 3, valid=True), name="conv_2a")(x)  # N x 147 x 147 x 32
        x = layer(Filters(64, 3), name="conv_2b")(x)  # N x 147 x 147 x 64
        x = block(MIXED_3A, name="mixed_3a")(x)  # N x 73 x 73 x 160
        x = block(MIXED_4A, name="mixed_4a")(x)  # N x 71 x 71 x 192
        x = self.endpoint("stem", block(MIXED_5A, name="mixed_5a")(x))  # N x 35 x 35 x 384
        for i in range(1, a + 1):
            x = block(INCEPTION_A, name=f"inception_a{i}")(x)
        x = self.endpoint("inception_a", x)  # N x 35 x 35 x 384
        x = self.endpoint("reduction_a", block(REDUCTION_A, name="reduction_a")(x))  # N x 17 x 17 x 1024
        for i in range(1, b + 1):
            x = block(INCEPTION_B, name=f"inception_b{i}")(x)
        x = self.endpoint("inception_b", x)  # N x 17 x 17 x 1024
        x = self.endpoint("reduction_b", block(REDUCTION_B, name="reduction_b")(x))  # N x 8 x 8 x 1536
        for i in range(1, c + 1):
            x = block(INCEPTION_C, name=f"inception_c{i}")(x)
        return self.endpoint("inception_c", x)  # N x 8 x 8 x 1536


VARIANTS = {"inception_v4": InceptionV4}
