"""SqueezeNet: F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer, "SqueezeNet: AlexNet-level accuracy
with 50x fewer parameters and <0.5MB model size" (arXiv 1602.07360, 2016).

Fire modules squeeze a map to a few channels, which 1 x 1 and 3 x 3 filters then expand side by side (Fig. 1); there is
no fully connected layer. `squeezenet1_0` is the paper's network without bypass (Table 1); `squeezenet1_1`, from the
authors' repository, has a smaller first layer and pools earlier, for 2.4 times less computation.

Deviations: the paper does not state its initialisation; that of the authors' Caffe files is what "published" means
here: uniform of variance 1 / fan-in, conv10 N(0, 0.01^2), biases 0. Table 1's 111 and 55 pixels need images of 227; at
its 224 they are 109 and 54.
"""

import functools
from collections.abc import Callable
from typing import Any

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

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(self.conv(self.squeezed, 1, name="squeeze")(x))
        narrow = nn.relu(self.conv(self.expanded, 1, name="expand_1x1")(x))
        wide = nn.relu(self.conv(self.expanded, 3, padding=1, name="expand_3x3")(x))
        return jnp.concatenate([narrow, wide], axis=-1)


class SqueezeNet(nn.Module):
    """Images (N, 224, 224, 3) to logits (N, num_classes), the global means of conv10's rectified maps.

    Attributes:
      stem_features: Channels of the first convolution.
      stem_kernel: Its filter size.
      pool_after: The numbers of the layers that a pool follows.
      num_classes: Channels of conv10; 0 leaves it out, and the map (N, 13, 13, 512) that it would see comes back.
      width: Factor on every number of channels.
      dropout: Share of conv10's inputs that training drops.
      initialisation: "published": as in the authors' files. "he": kernels N(0, 2 / fan-in), biases 0.
      dtype: What the layers compute in; parameters and logits stay float32.
    """

    stem_features: int
    stem_kernel: int
    pool_after: tuple[int, ...]
    num_classes: int = 1000
    width: float = 1.0
    dropout: float = 0.5
    initialisation: str = "published"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        scale = layers.scaled(self.width)
        kernel_init = functools.partial(layers.kernel_init, self.initialisation)
        conv = functools.partial(
            layers.conv, dtype=self.dtype, kernel_init=kernel_init(published=nn.initializers.lecun_uniform())
        )
        endpoint = functools.partial(layers.endpoint, self)

        x = nn.relu(conv(scale(self.stem_features), self.stem_kernel, 2, name="conv1")(images))
        x = self._pool(1, endpoint("conv1", x))  # N x 109, or 111 in 1.1
        for i, (squeezed, expanded) in FIRES.items():
            x = endpoint(f"fire{i}", Fire(scale(squeezed), scale(expanded), conv, name=f"fire{i}")(x))
            x = self._pool(i, x)  # N x 54, 27, 13, or 55, 27, 13 in 1.1
        x = endpoint("pre_logits", nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x))
        if not self.num_classes:
            return x
        head = functools.partial(
            conv, dtype=jnp.float32, kernel_init=kernel_init(published=nn.initializers.normal(0.01))
        )
        return layers.global_avg_pool(nn.relu(head(self.num_classes, 1, name="conv10")(x)))

    def _pool(self, i: int, x: Array) -> Array:
        """The pool after layer `i`, if there is one."""
        return (
            layers.endpoint(self, f"pool{i}", layers.max_pool(x, 3, 2, ceil_mode=True)) if i in self.pool_after else x
        )


VARIANTS = {
    "squeezenet1_0": functools.partial(SqueezeNet, stem_features=96, stem_kernel=7, pool_after=(1, 4, 8)),
    "squeezenet1_1": functools.partial(SqueezeNet, stem_features=64, stem_kernel=3, pool_after=(1, 3, 5)),
}
