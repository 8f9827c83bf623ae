"""ZFNet: M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014 (arXiv 1311.2901,
2013).

AlexNet after a look at what its filters see: 7 x 7 filters at stride 2 instead of 11 x 11 at stride 4, no towers (Fig.
3). Model (b) of Table 2 widens conv3 to conv5 to 512, 1024 and 512.

Deviations: "contrast normalised across feature maps" is taken to be AlexNet's local response normalisation. Its place
and constants are pytorchcv's, with which its weights were trained: before the pool, with a fifth of AlexNet's alpha;
Fig. 3 pools first (`pool_first`), and the paper states no constants. Padding is not stated; conv1 pads 1, conv2 0 and
pools round up, which gives the figure's 110, 55, 26, 13 and 6. "All weights 1e-2" is read as N(0, 0.01), since equal
weights could never become different. The paper renormalises filters whose RMS exceeds 0.1 while it trains; the module
does not. Inputs are divided by their standard deviation as well as centred; the paper only subtracts the mean.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers


class ZFNet(nn.Module):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      features: Channels of conv3, conv4 and conv5.
      pool_first: Whether maps are pooled before their responses are normalised, as in Fig. 3.
      lrn_alpha: Factor on the squares in local response normalisation.
      num_classes: Size of the last layer; 0 leaves it out.
      width: Factor on every number of channels.
      stem_stride: Stride of the first convolution.
      dropout: Share of the inputs of fc7 and fc8 that training drops.
      initialisation: "published": kernels N(0, 0.01), biases 0 (section 3). "he": kernels N(0, 2 / fan-in), biases 0.
      dtype: What the layers compute in; parameters and logits stay float32.
    """

    features: tuple[int, int, int] = (384, 384, 256)
    pool_first: bool = False
    lrn_alpha: float = 1e-4 / 5  # torch divides alpha by the number of channels that it sums over
    num_classes: int = 1000
    width: float = 1.0
    stem_stride: int = 2
    dropout: float = 0.5
    initialisation: str = "published"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        scale = layers.scaled(self.width)
        kernel_init = layers.kernel_init(self.initialisation, published=nn.initializers.normal(0.01))
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=kernel_init)
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=kernel_init)
        pool = functools.partial(layers.max_pool, window=3, stride=2, ceil_mode=True)
        dropout = functools.partial(nn.Dropout, self.dropout, deterministic=not train)
        endpoint = functools.partial(layers.endpoint, self)

        def pool_and_normalise(x: Array, i: int) -> Array:
            steps = [("norm", functools.partial(layers.local_response_norm, alpha=self.lrn_alpha)), ("pool", pool)]
            for name, step in reversed(steps) if self.pool_first else steps:
                x = endpoint(f"{name}{i}", step(x))
            return x

        x = conv(scale(96), 7, self.stem_stride, padding=1, name="conv1")(images)
        x = endpoint("conv1", nn.relu(x))  # N x 110 x 110 x 96
        x = pool_and_normalise(x, 1)  # N x 55 x 55 x 96
        x = endpoint("conv2", nn.relu(conv(scale(256), 5, 2, name="conv2")(x)))  # N x 26 x 26 x 256
        x = pool_and_normalise(x, 2)  # N x 13 x 13 x 256
        for i, features in enumerate(self.features, start=3):
            x = conv(scale(features), 3, padding=1, name=f"conv{i}")(x)
            x = endpoint(f"conv{i}", nn.relu(x))  # N x 13 x 13 x features
        x = endpoint("pool5", pool(x))  # N x 6 x 6 x 256, or 512 in model (b)
        x = x.reshape(x.shape[0], -1)  # N x 9216, or 18432
        x = endpoint("fc6", nn.relu(dense(scale(4096), name="fc6")(x)))  # N x 4096
        x = endpoint("fc7", nn.relu(dense(scale(4096), name="fc7")(dropout(name="dropout6")(x))))  # N x 4096
        x = endpoint("pre_logits", dropout(name="dropout7")(x))
        if not self.num_classes:
            return x
        return dense(self.num_classes, dtype=jnp.float32, name="fc8")(x)


VARIANTS = {
    "zfnet": functools.partial(ZFNet, features=(384, 384, 256)),
    "zfnet_b": functools.partial(ZFNet, features=(512, 1024, 512)),
}
