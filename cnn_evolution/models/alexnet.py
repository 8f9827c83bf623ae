"""AlexNet: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012.

The network of Fig. 2: five convolutions, three fully connected layers, ReLU, overlapping pools, local response
normalisation after the first two. Its two towers, one on each GPU, meet at conv3 and at the fully connected layers;
conv2, conv4 and conv5 see their own tower only, which is a convolution with two groups.

`alexnet_single` is the same in one tower, the form in which the network is often implemented and mistaken for the
paper's. `alexnet_owt` is the single tower of A. Krizhevsky, "One weird trick for parallelizing convolutional neural
networks" (arXiv 1404.5997, 2014), which is narrower and does not normalise responses.

Deviations: images are 227 pixels wide, not 224 as the text says, because the figure's 55 x 55 map follows from 227
without padding. Inputs are divided by their standard deviation as well as centred; the paper only subtracts the mean.
`alexnet_single` has pytorchcv's constants, with which its weights were trained: responses are normalised with a fifth
of the paper's alpha, and pools round up, so that 224 pixels fit too. `alexnet_owt` has torchvision's 64-192-384-256-256
channels and padding of 2; the initialisation and the place of dropout are those of 2012, where torchvision drops the
inputs of fc6 and fc7.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers


class AlexNet(nn.Module):
    """Images (N, 227, 227, 3) to logits (N, num_classes).

    Attributes:
      features: Channels of the five convolutions.
      towers: Groups of conv2, conv4 and conv5.
      stem_padding: Padding of the first convolution.
      lrn_alpha: Factor on the squares in local response normalisation; None leaves the normalisation out.
      ceil_pool: Whether pools round up.
      num_classes: Size of the last layer; 0 leaves it out.
      width: Factor on every number of channels.
      stem_stride: Stride of the first convolution.
      dropout: Share of the inputs of fc7 and fc8 that training drops.
      initialisation: "published": kernels N(0, 0.01), biases 1 in conv2, conv4, conv5, fc6 and fc7 and 0 elsewhere
        (section 5). "he": kernels N(0, 2 / fan-in), biases 0.
      dtype: What the layers compute in; parameters and logits stay float32.
    """

    features: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    towers: int = 2
    stem_padding: int = 0
    lrn_alpha: float | None = 1e-4
    ceil_pool: bool = False
    num_classes: int = 1000
    width: float = 1.0
    stem_stride: int = 4
    dropout: float = 0.5
    initialisation: str = "published"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        scale = layers.scaled(self.width)
        kernel_init = layers.kernel_init(self.initialisation, published=nn.initializers.normal(0.01))
        # Ones start the ReLUs on their positive side.
        lifted = nn.initializers.constant(1.0 if self.initialisation == "published" else 0.0)
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=kernel_init)
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=kernel_init)
        pool = functools.partial(layers.max_pool, window=3, stride=2, ceil_mode=self.ceil_pool)
        dropout = functools.partial(nn.Dropout, self.dropout, deterministic=not train)
        endpoint = functools.partial(layers.endpoint, self)

        conv1, conv2, conv3, conv4, conv5 = map(scale, self.features)
        x = conv(conv1, 11, self.stem_stride, self.stem_padding, name="conv1")(images)
        x = endpoint("conv1", nn.relu(x))  # N x 55 x 55 x 96
        if self.lrn_alpha is not None:
            x = endpoint("norm1", layers.local_response_norm(x, alpha=self.lrn_alpha))
        x = endpoint("pool1", pool(x))  # N x 27 x 27 x 96
        x = conv(conv2, 5, padding=2, groups=self.towers, bias_init=lifted, name="conv2")(x)
        x = endpoint("conv2", nn.relu(x))  # N x 27 x 27 x 256
        if self.lrn_alpha is not None:
            x = endpoint("norm2", layers.local_response_norm(x, alpha=self.lrn_alpha))
        x = endpoint("pool2", pool(x))  # N x 13 x 13 x 256
        x = conv(conv3, 3, padding=1, name="conv3")(x)
        x = endpoint("conv3", nn.relu(x))  # N x 13 x 13 x 384
        x = conv(conv4, 3, padding=1, groups=self.towers, bias_init=lifted, name="conv4")(x)
        x = endpoint("conv4", nn.relu(x))  # N x 13 x 13 x 384
        x = conv(conv5, 3, padding=1, groups=self.towers, bias_init=lifted, name="conv5")(x)
        x = endpoint("conv5", nn.relu(x))  # N x 13 x 13 x 256
        x = endpoint("pool5", pool(x))  # N x 6 x 6 x 256
        x = x.reshape(x.shape[0], -1)  # N x 9216
        x = dense(scale(4096), bias_init=lifted, name="fc6")(x)
        x = endpoint("fc6", nn.relu(x))  # N x 4096
        x = dense(scale(4096), bias_init=lifted, name="fc7")(dropout(name="dropout6")(x))
        x = endpoint("fc7", nn.relu(x))  # N x 4096
        x = endpoint("pre_logits", dropout(name="dropout7")(x))
        if not self.num_classes:
            return x
        return dense(self.num_classes, dtype=jnp.float32, name="fc8")(x)


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    "alexnet": AlexNet,
    # torch divides alpha by the number of channels that it sums over
    "alexnet_single": functools.partial(AlexNet, towers=1, lrn_alpha=1e-4 / 5, ceil_pool=True),
    "alexnet_owt": functools.partial(
        AlexNet, features=(64, 192, 384, 256, 256), towers=1, stem_padding=2, lrn_alpha=None
    ),
}
