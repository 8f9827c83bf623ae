"""Augmentation of whole batches, on the device: operations `(key, batch) -> batch`.

A batch is `{"image": float32 (N, S, S, 3) in [0, 1], "label": int32 (N,), "target": float32 (N, classes)}`. Operations
are pure and hashable: equal ones share a compiled step.

A batch may hold rows without an image, which pad it to a fixed size: their target row is zero, so that
`target.sum(-1)` is each row's weight in the loss. Mixing leaves these weights as they are.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

Prepared = dict[str, Array]
"""A batch on the device, as above; an objective sees its images normalised."""
BatchOperation = Callable[[Array, Prepared], Prepared]

# Principal components of ImageNet's RGB values in [0, 1]: variances, and the components as columns. Krizhevsky et al.
# print none; these are the values of fb.resnet.torch (datasets/imagenet.lua), which most later code shares.
RGB_VARIANCES = (0.2175, 0.0188, 0.0045)
RGB_COMPONENTS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


@dataclasses.dataclass(frozen=True)
class ColourNoise:
    """Shift each image's colour along the principal components of ImageNet's (Krizhevsky et al. 2012, section 4.1).

    Every component is scaled by its variance and one draw from N(0, sigma^2), the same for all pixels of an image. A
    variance depends on the scale of the pixels, which the paper leaves open: here it is [0, 1]. The result is not
    clipped to it.

    Attributes:
      sigma: Standard deviation of the draws; the paper's is 0.1.
    """

    sigma: float = 0.1

    def __call__(self, key: Array, batch: Prepared) -> Prepared:
        images = batch["image"]
        draws = self.sigma * jax.random.normal(key, (images.shape[0], 3))
        shift = jnp.matmul(draws * jnp.asarray(RGB_VARIANCES), jnp.asarray(RGB_COMPONENTS).T, precision="highest")
        return batch | {"image": images + shift[:, None, None, :]}


@dataclasses.dataclass(frozen=True)
class Mixup:
    """Mix each image and its target with another's (Zhang et al. 2018, "mixup: beyond empirical risk minimization").

    The partner of row i is row N - 1 - i, which is as good as a random one in a shuffled batch; the middle row of an
    odd batch stays as it is. Each row draws its own share, as in the paper's text; its code draws one per batch.
    Neither an absent row nor its partner is mixed.

    Attributes:
      alpha: Of the Beta distribution; larger mixes more evenly. ImageNet networks use 0.1 to 0.4.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def __call__(self, key: Array, batch: Prepared) -> Prepared:
        share = _own_share(key, batch["target"], self.alpha)

        def mix(x: Array) -> Array:
            own = share.reshape((-1,) + (1,) * (x.ndim - 1))
            return own * x + (1 - own) * x[::-1]

        return batch | {"image": mix(batch["image"]), "target": mix(batch["target"])}


@dataclasses.dataclass(frozen=True)
class CutMix:
    """Paste a box of another image into each, and mix the targets by area (Yun et al. 2019, "CutMix").

    Partners and shares are those of `Mixup`. The box has the image's aspect ratio and a uniform centre; it is clipped
    at the border, and the targets are mixed by the pixels that are left of it.

    Attributes:
      alpha: Of the Beta distribution; the paper's is 1.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def __call__(self, key: Array, batch: Prepared) -> Prepared:
        images, targets = batch["image"], batch["target"]
        share_key, row_key, column_key = jax.random.split(key, 3)
        n, height, width, _ = images.shape
        side = jnp.sqrt(1 - _own_share(share_key, targets, self.alpha))

        def span(key: Array, size: int) -> Array:
            """Which of `size` rows (or columns) are in the box: (N, size)."""
            half = jnp.floor(size * side).astype(int) // 2
            centre = jax.random.randint(key, (n,), 0, size)
            position = jnp.arange(size)
            return ((centre - half)[:, None] <= position) & (position < (centre + half)[:, None])

        box = span(row_key, height)[:, :, None] & span(column_key, width)[:, None, :]
        share = 1 - box.mean((1, 2))[:, None]
        mixed = share * targets + (1 - share) * targets[::-1]
        return batch | {"image": jnp.where(box[..., None], images[::-1], images), "target": mixed}


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Draw one of several operations, with equal chances, for each device's share of a batch."""

    operations: tuple[BatchOperation, ...]

    def __call__(self, key: Array, batch: Prepared) -> Prepared:
        choice_key, key = jax.random.split(key)
        chosen = jax.random.randint(choice_key, (), 0, len(self.operations))
        return lax.switch(chosen, self.operations, key, batch)


def _check_alpha(alpha: float) -> None:
    if not alpha > 0:
        raise ValueError(f"alpha is {alpha}, expected a number above 0; to train without mixing, leave it out")


def _own_share(key: Array, targets: Array, alpha: float) -> Array:
    """Share (N,) that each row keeps of itself: from Beta(alpha, alpha), 1 where the row or its partner is absent."""
    present = targets.sum(-1) > 0
    share = jax.random.beta(key, alpha, alpha, (len(targets),))
    return jnp.where(present & present[::-1], share, 1.0)
