"""AlexNet: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012.

The network of Fig. 2: five convolutions, three fully connected layers, ReLU, overlapping pools, local response
normalisation after the first two. Its two towers, one on each GPU, meet at conv3 and at the fully connected layers;
conv2, conv4 and conv5 see their own tower only, which is a convolution with two groups.

`alexnet_single` is the same in one tower, the form in which the network is often implemented and mistaken for the
paper's. `alexnet_owt` is the single tower of A. Krizhevsky, "One weird trick for parallelizing convolutional neural
networks" (arXiv 1404.5997, 2014), which is narrower and does not normalise responses.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
from jax import Array
from jax.nn.initializers import Initializer

from cnn_evolution import layers


class FullyConnectedNetwork(layers.Network, kw_only=True):
    """A network whose map goes through two fully connected layers with dropout before the last, as AlexNet's does.

    Its kernels are N(0, 0.01) and its biases 0 where a family states nothing else.

    Attributes:
      dropout: Share of the inputs of fc7 and fc8 that training drops.
      initialisation: "published" for the family's own, "he" for kernels N(0, 2 / fan-in) and biases 0.
    """

    dropout: float = 0.5
    initialisation: str = "published"

    @nn.nowrap
    def kernel_init(self) -> Initializer:
        """The initialisation of all kernels."""
        return layers.kernel_init(self.initialisation, published=nn.initializers.normal(0.01))

    @nn.nowrap
    def bias_init(self) -> Initializer:
        """The initialisation of the biases of fc6 and fc7."""
        return nn.initializers.zeros

    def pre_logits(self, x: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        dense = functools.partial(
            nn.Dense, scale(4096), dtype=self.dtype, kernel_init=self.kernel_init(), bias_init=self.bias_init()
        )
        dropout = functools.partial(nn.Dropout, self.dropout, deterministic=not train)
        x = x.reshape(x.shape[0], -1)  # N x 9216
        x = self.endpoint("fc6", act(dense(name="fc6")(x)))  # N x 4096
        x = self.endpoint("fc7", act(dense(name="fc7")(dropout(name="dropout6")(x))))  # N x 4096
        return dropout(name="dropout7")(x)

    def classifier(self, x: Array) -> Array:
        return nn.Dense(self.num_classes, dtype=layers.logits_dtype(x), kernel_init=self.kernel_init(), name="fc8")(x)


class AlexNet(FullyConnectedNetwork, kw_only=True):
    """Images (N, 227, 227, 3) to logits (N, num_classes).

    With `initialisation="published"` biases start at 1 in conv2, conv4, conv5, fc6 and fc7 (section 5).

    Attributes:
      features: Channels of the five convolutions.
      groups: Groups of conv2, conv4 and conv5.
      stem_padding: Padding of the first convolution.
      lrn_alpha: Factor on the squares in local response normalisation; None leaves the normalisation out.
      ceil_pool: Whether pools round up.
      stem_stride: Stride of the first convolution.
    """

    features: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    groups: int = 2
    stem_padding: int = 0
    lrn_alpha: float | None = 1e-4
    ceil_pool: bool = False
    stem_stride: int = 4

    @nn.nowrap
    def bias_init(self) -> Initializer:
        # Ones start the ReLUs on their positive side.
        return nn.initializers.constant(1.0 if self.initialisation == "published" else 0.0)

    def backbone(self, images: Array, train: bool) -> Array:
        act = self.act or nn.relu
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=self.kernel_init())
        grouped = functools.partial(conv, groups=self.groups, bias_init=self.bias_init())
        pool = functools.partial(layers.max_pool, window=3, stride=2, ceil_mode=self.ceil_pool)

        conv1, conv2, conv3, conv4, conv5 = map(layers.scaled(self.width), self.features)
        x = conv(conv1, 11, self.stem_stride, self.stem_padding, name="conv1")(images)
        x = self.endpoint("conv1", act(x))  # N x 55 x 55 x 96
        if self.lrn_alpha is not None:
            x = self.endpoint("norm1", layers.local_response_norm(x, alpha=self.lrn_alpha))
        x = self.endpoint("pool1", pool(x))  # N x 27 x 27 x 96
        x = self.endpoint("conv2", act(grouped(conv2, 5, padding=2, name="conv2")(x)))  # N x 27 x 27 x 256
        if self.lrn_alpha is not None:
            x = self.endpoint("norm2", layers.local_response_norm(x, alpha=self.lrn_alpha))
        x = self.endpoint("pool2", pool(x))  # N x 13 x 13 x 256
        x = self.endpoint("conv3", act(conv(conv3, 3, padding=1, name="conv3")(x)))  # N x 13 x 13 x 384
        x = self.endpoint("conv4", act(grouped(conv4, 3, padding=1, name="conv4")(x)))  # N x 13 x 13 x 384
        x = self.endpoint("conv5", act(grouped(conv5, 3, padding=1, name="conv5")(x)))  # N x 13 x 13 x 256
        return self.endpoint("pool5", pool(x))  # N x 6 x 6 x 256


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    "alexnet": AlexNet,
    # torch divides alpha by the number of channels that it sums over
    "alexnet_single": functools.partial(AlexNet, groups=1, lrn_alpha=1e-4 / 5, ceil_pool=True),
    "alexnet_owt": functools.partial(
        AlexNet, features=(64, 192, 384, 256, 256), groups=1, stem_padding=2, lrn_alpha=None
    ),
}
