"""VGG: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015
(arXiv 1409.1556, 2014).

Five stages of 3 x 3 convolutions, each closed by a 2 x 2 pool, and AlexNet's fully connected layers: configurations A,
B, D and E of Table 1. The `_bn` variants put batch normalisation (Ioffe & Szegedy 2015) between convolution and ReLU;
they are in no paper, and keep the convolutions' biases as torchvision does. `vgg16_lecture` and `vgg19_lecture` are
what a figure shown in many lectures draws under the names VGG-16 and VGG-19: the third stage has two convolutions only,
which makes 15 and 17 layers.

Deviations: the paper draws weights from N(0, variance 0.01) and needs a trained shallower network to start the deep
ones from; its footnote found Glorot's initialisation (2010) to make that unnecessary, and so it is what "published"
means here. Inputs are divided by their standard deviation as well as centred; the paper only subtracts the mean.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers


class VGG(nn.Module):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      depths: Convolutions in each of the five stages.
      batch_norm: Whether batch normalisation follows every convolution.
      num_classes: Size of the last layer; 0 leaves it out.
      width: Factor on every number of channels.
      dropout: Share of the inputs of fc7 and fc8 that training drops.
      initialisation: "published": Glorot's uniform distribution, biases 0. "he": kernels N(0, 2 / fan-in), biases 0.
      dtype: What the layers compute in; parameters, statistics and logits stay float32.
      axis_name: Mapped axis over which batch statistics are averaged.
    """

    depths: tuple[int, ...]
    batch_norm: bool = False
    num_classes: int = 1000
    width: float = 1.0
    dropout: float = 0.5
    initialisation: str = "published"
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        scale = layers.scaled(self.width)
        kernel_init = layers.kernel_init(self.initialisation, published=nn.initializers.glorot_uniform())
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=kernel_init)
        norm = functools.partial(layers.batch_norm, train=train, dtype=self.dtype, axis_name=self.axis_name)
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=kernel_init)
        dropout = functools.partial(nn.Dropout, self.dropout, deterministic=not train)
        endpoint = functools.partial(layers.endpoint, self)

        x = images
        for stage, (depth, features) in enumerate(zip(self.depths, (64, 128, 256, 512, 512), strict=True), start=1):
            for i in range(1, depth + 1):
                x = conv(scale(features), 3, padding=1, name=f"conv{stage}_{i}")(x)
                if self.batch_norm:
                    x = norm(name=f"bn{stage}_{i}")(x)
                x = endpoint(f"conv{stage}_{i}", nn.relu(x))  # N x 224, 112, 56, 28, 14
            x = endpoint(f"pool{stage}", layers.max_pool(x, 2))  # N x 112, 56, 28, 14, 7
        x = x.reshape(x.shape[0], -1)  # N x 25088
        x = endpoint("fc6", nn.relu(dense(scale(4096), name="fc6")(x)))  # N x 4096
        x = endpoint("fc7", nn.relu(dense(scale(4096), name="fc7")(dropout(name="dropout6")(x))))  # N x 4096
        x = endpoint("pre_logits", dropout(name="dropout7")(x))
        if not self.num_classes:
            return x
        return dense(self.num_classes, dtype=jnp.float32, name="fc8")(x)


CONFIGURATIONS = {
    # convolutions in each stage (Table 1)
    "vgg11": (1, 1, 2, 2, 2),  # A
    "vgg13": (2, 2, 2, 2, 2),  # B
    "vgg16": (2, 2, 3, 3, 3),  # D
    "vgg19": (2, 2, 4, 4, 4),  # E
}

DRAWN = {
    "vgg16_lecture": (2, 2, 2, 3, 3),
    "vgg19_lecture": (2, 2, 2, 4, 4),
}

VARIANTS = {name: functools.partial(VGG, depths=depths) for name, depths in (CONFIGURATIONS | DRAWN).items()} | {
    f"{name}_bn": functools.partial(VGG, depths=depths, batch_norm=True) for name, depths in CONFIGURATIONS.items()
}
