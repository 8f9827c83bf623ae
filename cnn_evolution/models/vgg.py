"""VGG: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015
(arXiv 1409.1556, 2014).

Five stages of 3 x 3 convolutions, each closed by a 2 x 2 pool, and AlexNet's fully connected layers: configurations A,
B, D and E of Table 1. The `_bn` variants put batch normalisation (Ioffe & Szegedy 2015) between convolution and ReLU;
they are in no paper, and keep the convolutions' biases as torchvision does. `vgg16_lecture` and `vgg19_lecture` are
what a figure shown in many lectures draws under the names VGG-16 and VGG-19: the third stage has two convolutions only,
which makes 15 and 17 layers.
"""

import functools

import flax.linen as nn
from jax import Array
from jax.nn.initializers import Initializer

from cnn_evolution import layers
from cnn_evolution.models.alexnet import FullyConnectedNetwork


class VGG(FullyConnectedNetwork, layers.OptionallyNormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    With `initialisation="published"` kernels have Glorot's uniform distribution.

    Attributes:
      depths: Convolutions in each of the five stages.
    """

    depths: tuple[int, ...]

    @nn.nowrap
    def kernel_init(self) -> Initializer:
        return layers.kernel_init(self.initialisation, published=nn.initializers.glorot_uniform())

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=self.kernel_init())
        norm = self.norm_layer(train)

        x = images
        for stage, (depth, features) in enumerate(zip(self.depths, (64, 128, 256, 512, 512), strict=True), start=1):
            for i in range(1, depth + 1):
                x = conv(scale(features), 3, padding=1, name=f"conv{stage}_{i}")(x)
                if self.batch_norm:
                    x = norm(name=f"bn{stage}_{i}")(x)
                x = self.endpoint(f"conv{stage}_{i}", act(x))  # N x 224, 112, 56, 28, 14
            x = self.endpoint(f"pool{stage}", layers.max_pool(x, 2))  # N x 112, 56, 28, 14, 7
        return x


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
