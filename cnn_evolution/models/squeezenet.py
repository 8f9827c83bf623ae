"""SqueezeNet: F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer, "SqueezeNet: AlexNet-level accuracy
with 50x fewer parameters and <0.5MB model size" (arXiv 1602.07360, 2016).

Fire modules squeeze a map to a few channels, which 1 x 1 and 3 x 3 filters then expand side by side (Fig. 1); there is
no fully connected layer. `squeezenet1_0` is the paper's network without bypass (Table 1); `squeezenet1_1`, from the
authors' repository, has a smaller first layer and pools earlier, for 2.4 times less computation.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

FIRES = {
    # channels of the squeeze layer and of each of the two expand layers (Table 1)
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


class Fire(nn.Module):
    """A squeeze and two expand layers, (N, H, W, C) -> (N, H, W, 2 expanded) (Fig. 1)."""

    squeezed: int
    expanded: int
    conv: Callable[..., nn.Module]
    act: layers.Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = self.act(self.conv(self.squeezed, 1, name="squeeze")(x))
        narrow = self.act(self.conv(self.expanded, 1, name="expand_1x1")(x))
        wide = self.act(self.conv(self.expanded, 3, padding=1, name="expand_3x3")(x))
        return jnp.concatenate([narrow, wide], axis=-1)


class SqueezeNet(layers.Network, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes), the global means of conv10's rectified maps.

    Attributes:
      stem_features: Channels of the first convolution.
      stem_kernel: Its filter size.
      pool_after: The numbers of the layers that a pool follows.
      initialisation: "published": as in the authors' files. "he": kernels N(0, 2 / fan-in), biases 0.
    """

    stem_features: int
    stem_kernel: int
    pool_after: tuple[int, ...]
    dropout: float = 0.5
    initialisation: str = "published"

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        kernel_init = layers.kernel_init(self.initialisation, published=nn.initializers.lecun_uniform())
        conv = functools.partial(layers.conv, dtype=self.dtype, kernel_init=kernel_init)

        def pool(i: int, x: Array) -> Array:
            """The pool after layer `i`, if there is one."""
            if i not in self.pool_after:
                return x
            return self.endpoint(f"pool{i}", layers.max_pool(x, 3, 2, ceil_mode=True))

        x = act(conv(scale(self.stem_features), self.stem_kernel, 2, name="conv1")(images))
        x = pool(1, self.endpoint("conv1", x))  # N x 109, or 111 in 1.1
        for i, (squeezed, expanded) in FIRES.items():
            x = self.endpoint(f"fire{i}", Fire(scale(squeezed), scale(expanded), conv, act, name=f"fire{i}")(x))
            x = pool(i, x)  # N x 54, 27, 13, or 55, 27, 13 in 1.1
        return x

    def pre_logits(self, x: Array, train: bool) -> Array:
        return nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)

    def classifier(self, x: Array) -> Array:
        act = self.act or nn.relu
        kernel_init = layers.kernel_init(self.initialisation, published=nn.initializers.normal(0.01))
        conv10 = layers.conv(self.num_classes, 1, dtype=layers.logits_dtype(x), kernel_init=kernel_init, name="conv10")
        return layers.global_avg_pool(act(conv10(x)))


VARIANTS = {
    "squeezenet1_0": functools.partial(SqueezeNet, stem_features=96, stem_kernel=7, pool_after=(1, 4, 8)),
    "squeezenet1_1": functools.partial(SqueezeNet, stem_features=64, stem_kernel=3, pool_after=(1, 3, 5)),
}
