"""Networks that tests of several files make."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_evolution import layers
from cnn_evolution.layers.normalisation import BatchNorm


def network(run):
    """A Linen module whose only endpoint, "out", is `run(images)`."""

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            return layers.endpoint(self, "out", run(x))

    return Network()


class Own(nn.Module):
    """A small network with all that `create_model` may choose."""

    channels: tuple[int, ...] = (8, 16)
    num_classes: int = 5
    width: float = 1.0
    stem_stride: int = 4
    dropout: float = 0.0
    norm: Callable[..., nn.Module] = BatchNorm
    act: Callable[[jax.Array], jax.Array] = nn.relu
    until: str | None = None
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images, *, train=False):
        x = images
        for i, features in enumerate(self.channels, start=1):
            features = layers.scaled(self.width)(features)
            x = nn.Conv(features, (3, 3), self.stem_stride if i == 1 else 2, dtype=self.dtype, name=f"conv{i}")(x)
            x = self.act(self.norm(train=train, dtype=self.dtype, name=f"bn{i}")(x))
            x = layers.endpoint(self, f"stage{i}", x)
            if self.until == f"stage{i}":
                return x
        x = nn.Dropout(self.dropout, deterministic=not train)(x.mean((1, 2)))
        x = layers.endpoint(self, "pre_logits", x)
        return nn.Dense(self.num_classes, name="fc")(x) if self.num_classes else x


class Bare(nn.Module):
    """A network without any option."""

    @nn.compact
    def __call__(self, images):
        return nn.Dense(3, name="fc")(images.mean((1, 2)))


OWN = {"name": "own", "build": Own, "family": "Own", "year": 2026}
