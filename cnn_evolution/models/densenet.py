"""DenseNet: G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, "Densely Connected Convolutional Networks", CVPR 2017
(arXiv 1608.06993, 2016).

A layer sees the concatenation of all maps before it in its block, and adds a few of its own (Fig. 1). These are the
ImageNet networks of Table 1, DenseNet-BC: 1 x 1 bottlenecks, and transitions that halve the channels. `densenet161`,
with a growth rate of 48, is in the first versions of the paper and in the authors' repository.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]


class DenseLayer(nn.Module):
    """Appends `growth_rate` channels, (N, H, W, C) -> (N, H, W, C + growth_rate) (section 3, "bottleneck layers")."""

    bottleneck: int
    growth_rate: int
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = self.act(self.norm(name="bn1")(x))
        y = self.conv(self.bottleneck, 1, name="conv1")(y)
        y = self.act(self.norm(name="bn2")(y))
        y = self.conv(self.growth_rate, 3, padding=1, name="conv2")(y)
        return jnp.concatenate([x, y], axis=-1)


class Transition(nn.Module):
    """Halves channels and sides, (N, H, W, C) -> (N, H / 2, W / 2, C / 2) (section 3, "pooling layers")."""

    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = self.act(self.norm(name="bn")(x))
        y = self.conv(x.shape[-1] // 2, 1, name="conv")(y)
        return layers.avg_pool(y, 2)


class DenseNet(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      depths: Layers in each of the four dense blocks.
      growth_rate: Channels that a layer adds.
    """

    depths: tuple[int, ...]
    growth_rate: int = 32

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train)

        x = conv(scale(2 * self.growth_rate), 7, 2, 3, name="conv1")(images)
        x = act(norm(name="bn1")(x))  # N x 112 x 112 x 64
        x = self.endpoint("stem", layers.max_pool(x, 3, 2, padding=1))  # N x 56 x 56 x 64
        for block, depth in enumerate(self.depths, start=1):
            for i in range(1, depth + 1):
                layer = DenseLayer(
                    bottleneck=scale(4 * self.growth_rate),
                    growth_rate=scale(self.growth_rate),
                    conv=conv,
                    norm=norm,
                    act=act,
                    name=f"block{block}_layer{i}",
                )
                x = layer(x)
            x = self.endpoint(f"block{block}", x)  # N x 56, 28, 14, 7
            if block < len(self.depths):
                x = self.endpoint(f"transition{block}", Transition(conv, norm, act, name=f"transition{block}")(x))
        return act(norm(name="bn2")(x))


VARIANTS = {
    "densenet121": functools.partial(DenseNet, depths=(6, 12, 24, 16)),
    "densenet161": functools.partial(DenseNet, depths=(6, 12, 36, 24), growth_rate=48),
    "densenet169": functools.partial(DenseNet, depths=(6, 12, 32, 32)),
    "densenet201": functools.partial(DenseNet, depths=(6, 12, 48, 32)),
}
