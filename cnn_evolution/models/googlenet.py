"""GoogLeNet: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015 (arXiv 1409.4842, 2014).

Nine Inception blocks, which look at a map through 1 x 1, 3 x 3 and 5 x 5 filters and a pool side by side, after cheap
1 x 1 reductions; no fully connected layers but the classifier; two auxiliary classifiers that help training (Table 1,
Fig. 3).

`googlenet` is the paper's network. `googlenet_bn` is the one whose weights torchvision ships: batch normalisation
(epsilon 1e-3) instead of local response normalisation and biases, 3 x 3 filters where the paper has 5 x 5, a 2 x 2
pool before 5a, dropout 0.2, and auxiliary classifiers that pool to 4 x 4 at any image size.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import Initializer

from cnn_evolution import layers


class Channels(NamedTuple):
    """A row of Table 1."""

    conv_1x1: int
    reduce_3x3: int
    conv_3x3: int
    reduce_5x5: int
    conv_5x5: int
    pool_proj: int


STAGES: dict[str, dict[str, Channels]] = {
    "3": {
        "3a": Channels(64, 96, 128, 16, 32, 32),  # N x 28 x 28 x 256
        "3b": Channels(128, 128, 192, 32, 96, 64),  # N x 28 x 28 x 480
    },
    "4": {
        "4a": Channels(192, 96, 208, 16, 48, 64),  # N x 14 x 14 x 512
        "4b": Channels(160, 112, 224, 24, 64, 64),  # N x 14 x 14 x 512
        "4c": Channels(128, 128, 256, 24, 64, 64),  # N x 14 x 14 x 512
        "4d": Channels(112, 144, 288, 32, 64, 64),  # N x 14 x 14 x 528
        "4e": Channels(256, 160, 320, 32, 128, 128),  # N x 14 x 14 x 832
    },
    "5": {
        "5a": Channels(256, 160, 320, 32, 128, 128),  # N x 7 x 7 x 832
        "5b": Channels(384, 192, 384, 48, 128, 128),  # N x 7 x 7 x 1024
    },
}
AUXILIARY_AFTER = ("4a", "4d")


def conv_norm_act(
    x: Array,
    features: int,
    kernel_size: int,
    stride: int = 1,
    *,
    name: str,
    conv: Callable[..., nn.Module],
    norm: Callable[..., nn.Module] | None,
    act: layers.Activation,
) -> Array:
    """Convolution that keeps the size, normalisation where there is any, nonlinearity."""
    x = conv(features, kernel_size, stride, kernel_size // 2, name=name)(x)
    if norm is not None:
        x = norm(name=f"{name}_bn")(x)
    return act(x)


class Inception(nn.Module):
    """Four branches, concatenated: (N, H, W, C) -> (N, H, W, sum of the branches) (Fig. 2b)."""

    channels: Channels
    layer: Callable[..., Array]
    large_kernel: int = 5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        c, layer = self.channels, self.layer
        narrow = layer(x, c.conv_1x1, 1, name="branch_1x1")
        middle = layer(x, c.reduce_3x3, 1, name="branch_3x3_reduce")
        middle = layer(middle, c.conv_3x3, 3, name="branch_3x3")
        large = layer(x, c.reduce_5x5, 1, name="branch_5x5_reduce")
        large = layer(large, c.conv_5x5, self.large_kernel, name="branch_5x5")
        pooled = layer(layers.max_pool(x, 3, 1, padding=1), c.pool_proj, 1, name="branch_pool_proj")
        return jnp.concatenate([narrow, middle, large, pooled], axis=-1)


class AuxiliaryClassifier(nn.Module):
    """Logits from the middle of the network, (N, H, W, C) -> (N, num_classes) (section 5)."""

    num_classes: int
    layer: Callable[..., Array]
    dense: Callable[..., nn.Module]
    act: layers.Activation
    scale: Callable[[int], int]
    adaptive_pool: bool
    dropout: float = 0.7

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        if self.adaptive_pool:
            x = layers.adaptive_avg_pool(x, 4)
        else:
            window = (min(5, x.shape[1]), min(5, x.shape[2]))  # maps of small images are smaller than the window
            x = nn.avg_pool(x, window, (3, 3))  # N x 4 x 4 x 512, or 528 after 4d
        x = self.layer(x, self.scale(128), 1, name="conv")  # N x 4 x 4 x 128
        x = x.reshape(x.shape[0], -1)  # N x 2048
        x = self.act(self.dense(self.scale(1024), name="fc1")(x))  # N x 1024
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return self.dense(self.num_classes, dtype=layers.logits_dtype(x), name="fc2")(x)


class GoogLeNet(layers.OptionallyNormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    The auxiliary classifiers' logits go to the collection "aux_logits", as "4a" and "4d", where that is mutable;
    otherwise they are not computed. Batch normalisation takes the place of biases and of local response normalisation.

    Attributes:
      large_kernel: Filter size of the third branch, 5 in the paper.
      pool4: Window of the pool before 5a, 3 in the paper.
      adaptive_aux: Whether auxiliary classifiers pool to 4 x 4, instead of a 5 x 5 window at stride 3.
      aux_heads: Whether there are auxiliary classifiers.
      stem_stride: Stride of the first convolution.
      aux_dropout: Share of the inputs of the auxiliary classifiers' last layers that training drops.
      initialisation: "published": Glorot's uniform distribution, biases 0. "he": kernels N(0, 2 / fan-in), biases 0.
    """

    large_kernel: int = 5
    pool4: int = 3
    adaptive_aux: bool = False
    aux_heads: bool = True
    stem_stride: int = 2
    dropout: float = 0.4
    aux_dropout: float = 0.7
    initialisation: str = "published"

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act, kernel_init = layers.scaled(self.width), self.act or nn.relu, self.kernel_init()
        layer = functools.partial(
            conv_norm_act,
            conv=functools.partial(
                layers.conv, dtype=self.dtype, kernel_init=kernel_init, use_bias=not self.batch_norm
            ),
            norm=self.norm_layer(train, epsilon=1e-3) if self.batch_norm else None,
            act=act,
        )
        auxiliary = functools.partial(
            AuxiliaryClassifier,
            num_classes=self.num_classes,
            layer=layer,
            dense=functools.partial(nn.Dense, dtype=self.dtype, kernel_init=kernel_init),
            act=act,
            scale=scale,
            adaptive_pool=self.adaptive_aux,
            dropout=self.aux_dropout,
        )
        pool = functools.partial(layers.max_pool, stride=2, ceil_mode=True)

        x = self.endpoint("conv1", layer(images, scale(64), 7, self.stem_stride, name="conv1"))  # N x 112 x 112 x 64
        x = self.endpoint("pool1", pool(x, 3))  # N x 56 x 56 x 64
        if not self.batch_norm:
            x = self.endpoint("norm1", layers.local_response_norm(x))
        x = self.endpoint("conv2_reduce", layer(x, scale(64), 1, name="conv2_reduce"))  # N x 56 x 56 x 64
        x = self.endpoint("conv2", layer(x, scale(192), 3, name="conv2"))  # N x 56 x 56 x 192
        if not self.batch_norm:
            x = self.endpoint("norm2", layers.local_response_norm(x))
        x = self.endpoint("pool2", pool(x, 3))  # N x 28 x 28 x 192
        for stage, blocks in STAGES.items():
            for name, channels in blocks.items():
                narrowed = Channels(*map(scale, channels))
                x = self.endpoint(name, Inception(narrowed, layer, self.large_kernel, name=f"inception_{name}")(x))
                if name in AUXILIARY_AFTER and self.aux_heads and self.auxiliary_wanted():
                    layers.endpoint(self, name, auxiliary(name=f"aux_{name}")(x, train=train), "aux_logits")
            if stage != "5":
                x = self.endpoint(f"pool{stage}", pool(x, self.pool4 if stage == "4" else 3))
        return x

    def classifier(self, x: Array) -> Array:
        return nn.Dense(self.num_classes, dtype=layers.logits_dtype(x), kernel_init=self.kernel_init(), name="fc")(x)

    @nn.nowrap
    def kernel_init(self) -> Initializer:
        """The initialisation of all kernels."""
        return layers.kernel_init(self.initialisation, published=nn.initializers.glorot_uniform())


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    "googlenet": GoogLeNet,
    "googlenet_bn": functools.partial(
        GoogLeNet, batch_norm=True, large_kernel=3, pool4=2, adaptive_aux=True, dropout=0.2
    ),
}
