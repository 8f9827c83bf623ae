"""ConvNeXt: Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell, S. Xie, "A ConvNet for the 2020s", CVPR 2022 (arXiv
2201.03545).

A ResNet after the transformers: 4 x 4 patches for a stem, depthwise 7 x 7 convolutions, inverted bottlenecks, one GELU
and one layer normalisation a block (Fig. 4), and layer normalisation before every change of resolution.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import numpy as np
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]

GELU = functools.partial(nn.gelu, approximate=False)
KERNEL_INIT = nn.initializers.normal(0.02)


class Block(nn.Module):
    """A depthwise convolution, two fully connected layers at every pixel and a shortcut, (N, H, W, C) to the same
    (Fig. 4).

    Attributes:
      drop_path: How often training drops the branch.
      layer_scale: What the branch's learnt factors start at (Touvron et al. 2021).
      conv: Makes convolutions.
      norm: Makes normalisations.
      dense: Makes fully connected layers.
      act: The nonlinearity between them.
      train: Whether branches are dropped.
    """

    drop_path: float
    layer_scale: float
    conv: ModuleDef
    norm: ModuleDef
    dense: ModuleDef
    act: layers.Activation
    train: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        y = self.conv(channels, 7, padding=3, groups=channels, name="depthwise")(x)
        y = self.norm(name="norm")(y)
        y = self.act(self.dense(4 * channels, name="expand")(y))
        y = self.dense(channels, name="project")(y)
        y = y * self.param("layer_scale", nn.initializers.constant(self.layer_scale), (channels,)).astype(y.dtype)
        return x + layers.stochastic_depth(self.drop_path, train=self.train, name="drop_path")(y)


class ConvNeXt(layers.Network, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Attributes:
      depths: Blocks in each of the four stages.
      channels: Channels of the first stage; they double from stage to stage.
      drop_path: How often training drops the last block's branch; from the first block, which it never drops, the
        rate grows evenly.
      layer_scale: What the branches' learnt factors start at.
    """

    depths: tuple[int, ...]
    channels: int
    drop_path: float
    layer_scale: float = 1e-6

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or GELU
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=KERNEL_INIT)
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=KERNEL_INIT)
        norm = self.layer_norm()

        x = conv(scale(self.channels), 4, 4, name="stem")(images)
        x = self.endpoint("stem", norm(name="stem_norm")(x))  # N x 56 x 56 x 96
        rates = iter(np.linspace(0, self.drop_path, sum(self.depths)).tolist())
        for stage, depth in enumerate(self.depths, start=1):
            if stage > 1:
                x = norm(name=f"downsample{stage}_norm")(x)
                x = conv(scale(self.channels * 2 ** (stage - 1)), 2, 2, name=f"downsample{stage}")(x)
            for i in range(1, depth + 1):
                block = functools.partial(Block, next(rates), self.layer_scale, conv, norm, dense, act, train)
                x = block(name=f"stage{stage}_block{i}")(x)
            x = self.endpoint(f"stage{stage}", x)  # N x 56, 28, 14, 7
        return x

    def pre_logits(self, x: Array, train: bool) -> Array:
        x = self.layer_norm()(name="norm")(layers.global_avg_pool(x))  # N x 768
        return nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)

    def classifier(self, x: Array) -> Array:
        return nn.Dense(self.num_classes, dtype=layers.logits_dtype(x), kernel_init=KERNEL_INIT, name="fc")(x)

    @nn.nowrap
    def layer_norm(self) -> ModuleDef:
        """Makes the network's normalisations."""
        return functools.partial(nn.LayerNorm, epsilon=1e-6, use_fast_variance=False, dtype=self.dtype)


# section 3; the rates are those of Table 5
VARIANTS = {
    "convnext_tiny": functools.partial(ConvNeXt, depths=(3, 3, 9, 3), channels=96, drop_path=0.1),
    "convnext_small": functools.partial(ConvNeXt, depths=(3, 3, 27, 3), channels=96, drop_path=0.4),
    "convnext_base": functools.partial(ConvNeXt, depths=(3, 3, 27, 3), channels=128, drop_path=0.5),
    "convnext_large": functools.partial(ConvNeXt, depths=(3, 3, 27, 3), channels=192, drop_path=0.5),
}
