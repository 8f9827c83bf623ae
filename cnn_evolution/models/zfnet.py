"""ZFNet: M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014 (arXiv 1311.2901,
2013).

AlexNet after a look at what its filters see: 7 x 7 filters at stride 2 instead of 11 x 11 at stride 4, no towers (Fig.
3). Model (b) of Table 2 widens conv3 to conv5 to 512, 1024 and 512.
"""

import functools

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.models.alexnet import FullyConnectedNetwork


class ZFNet(FullyConnectedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      features: Channels of conv3, conv4 and conv5.
      pool_first: Whether maps are pooled before their responses are normalised, as in Fig. 3.
      lrn_alpha: Factor on the squares in local response normalisation.
      stem_stride: Stride of the first convolution.
    """

    features: tuple[int, int, int] = (384, 384, 256)
    pool_first: bool = False
    lrn_alpha: float = 1e-4 / 5  # torch divides alpha by the number of channels that it sums over
    stem_stride: int = 2

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=self.kernel_init())
        pool = functools.partial(layers.max_pool, window=3, stride=2, ceil_mode=True)

        def pool_and_normalise(x: Array, i: int) -> Array:
            steps = [("norm", functools.partial(layers.local_response_norm, alpha=self.lrn_alpha)), ("pool", pool)]
            for name, step in reversed(steps) if self.pool_first else steps:
                x = self.endpoint(f"{name}{i}", step(x))
            return x

        x = conv(scale(96), 7, self.stem_stride, padding=1, name="conv1")(images)
        x = self.endpoint("conv1", act(x))  # N x 110 x 110 x 96
        x = pool_and_normalise(x, 1)  # N x 55 x 55 x 96
        x = self.endpoint("conv2", act(conv(scale(256), 5, 2, name="conv2")(x)))  # N x 26 x 26 x 256
        x = pool_and_normalise(x, 2)  # N x 13 x 13 x 256
        for i, features in enumerate(self.features, start=3):
            x = conv(scale(features), 3, padding=1, name=f"conv{i}")(x)
            x = self.endpoint(f"conv{i}", act(x))  # N x 13 x 13 x features
        return self.endpoint("pool5", pool(x))  # N x 6 x 6 x 256, or 512 in model (b)


VARIANTS = {
    "zfnet": functools.partial(ZFNet, features=(384, 384, 256)),
    "zfnet_b": functools.partial(ZFNet, features=(512, 1024, 512)),
}
