"""AlexNet: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012.

The network of Fig. 2: five convolutions, three fully connected layers, ReLU, overlapping pools, local response
normalisation after the first two. Its two towers, one on each GPU, meet at conv3 and at the fully connected layers;
conv2, conv4 and conv5 see their own tower only, which is a convolution with two groups.

Deviations: images are 227 pixels wide, not 224 as the text says, because the figure's 55 x 55 map follows from 227
without padding. Inputs are divided by their standard deviation as well as centred; the paper only subtracts the mean.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers


class AlexNet(nn.Module):
    """Images (N, 227, 227, 3) to logits (N, num_classes).

    Attributes:
      num_classes: Size of the last layer; 0 leaves it out.
      width: Factor on every number of channels.
      stem_stride: Stride of the first convolution.
      dropout: Share of the inputs of fc7 and fc8 that training drops.
      initialisation: "published": kernels N(0, 0.01), biases 1 in conv2, conv4, conv5, fc6 and fc7 and 0 elsewhere
        (section 5). "he": kernels N(0, 2 / fan-in), biases 0.
      dtype: What the layers compute in; parameters and logits stay float32.
    """

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
        pool = functools.partial(layers.max_pool, window=3, stride=2)
        dropout = functools.partial(nn.Dropout, self.dropout, deterministic=not train)
        endpoint = functools.partial(layers.endpoint, self)

        x = conv(scale(96), 11, self.stem_stride, name="conv1")(images)
        x = endpoint("conv1", nn.relu(x))  # N x 55 x 55 x 96
        x = endpoint("norm1", layers.local_response_norm(x))
        x = endpoint("pool1", pool(x))  # N x 27 x 27 x 96
        x = conv(scale(256), 5, padding=2, groups=2, bias_init=lifted, name="conv2")(x)
        x = endpoint("conv2", nn.relu(x))  # N x 27 x 27 x 256
        x = endpoint("norm2", layers.local_response_norm(x))
        x = endpoint("pool2", pool(x))  # N x 13 x 13 x 256
        x = conv(scale(384), 3, padding=1, name="conv3")(x)
        x = endpoint("conv3", nn.relu(x))  # N x 13 x 13 x 384
        x = conv(scale(384), 3, padding=1, groups=2, bias_init=lifted, name="conv4")(x)
        x = endpoint("conv4", nn.relu(x))  # N x 13 x 13 x 384
        x = conv(scale(256), 3, padding=1, groups=2, bias_init=lifted, name="conv5")(x)
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


VARIANTS = {"alexnet": AlexNet}
