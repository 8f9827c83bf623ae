"""Augmentation of whole batches, on the device.

Pure functions of an explicit key; every shape is static, so they can be traced into the train step. Their order is that
of the pixels' scale: colour noise on [0, 1], then `normalise`, then `mixup` or `cutmix`.

A batch may hold rows without an image, which pad it to a fixed size: their target row is zero, so that
`targets.sum(-1)` is each row's weight in the loss. Mixing leaves these weights as they are.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from cnn_evolution.pixels import unit_range

# Principal components of ImageNet's RGB values in [0, 1]: variances, and the components as columns. Krizhevsky et al.
# print none; these are the values of fb.resnet.torch (datasets/imagenet.lua), which most later code shares.
RGB_VARIANCES = (0.2175, 0.0188, 0.0045)
RGB_COMPONENTS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


def pca_colour_noise(key: Array, images: Array, sigma: float = 0.1) -> Array:
    """Shift each image's colour along the principal components of ImageNet's (Krizhevsky et al. 2012, section 4.1).

    Every component is scaled by its variance and one draw from N(0, sigma^2), the same for all pixels of an image. A
    variance depends on the scale of the pixels, which the paper leaves open: here it is [0, 1].

    Args:
      key: One draw of three numbers per image.
      images: (N, H, W, 3), uint8, or floating in [0, 1].
      sigma: Standard deviation of the draws; the paper's is 0.1.

    Returns:
      (N, H, W, 3), float32, on the scale [0, 1] but not clipped to it.
    """
    images = unit_range(images)
    draws = sigma * jax.random.normal(key, (images.shape[0], 3))
    shift = jnp.matmul(draws * jnp.asarray(RGB_VARIANCES), jnp.asarray(RGB_COMPONENTS).T, precision="highest")
    return images + shift[:, None, None, :]


def one_hot_smoothed(labels: ArrayLike, num_classes: int, smoothing: float = 0.0) -> Array:
    """Targets with label smoothing (Szegedy et al. 2016, section 7): (N,) -> (N, num_classes), float32.

    The label's class gets `1 - smoothing + smoothing / num_classes` and every other class `smoothing / num_classes`. A
    label that is no class, such as the mark of an absent row, gives a row of zeros.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    one_hot = jax.nn.one_hot(labels, num_classes)
    present = one_hot.sum(-1, keepdims=True)
    return (1 - smoothing) * one_hot + present * smoothing / num_classes


def _own_share(key: Array, images: Array, targets: Array, alpha: float) -> Array:
    """Share (N,) that each row keeps of itself: from Beta(alpha, alpha), 1 where the row or its partner is absent."""
    if alpha <= 0:
        raise ValueError(f"alpha must be positive, got {alpha}; to train without mixing, do not call it")
    if images.shape[0] != targets.shape[0]:
        raise ValueError(f"{images.shape[0]} images but {targets.shape[0]} rows of targets")
    present = targets.sum(-1) > 0
    share = jax.random.beta(key, alpha, alpha, (images.shape[0],))
    return jnp.where(present & present[::-1], share, 1.0)


def mixup(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """Mix each image and its targets with another's (Zhang et al. 2018, "mixup: beyond empirical risk minimization").

    The partner of row i is row N - 1 - i, which is as good as a random one in a shuffled batch; the middle row of an
    odd batch stays as it is. Each row draws its own share, as in the paper's text; its code draws one per batch.

    Args:
      key: One draw per row.
      images: (N, H, W, C), floating.
      targets: (N, num_classes); a row of zeros is absent, and neither it nor its partner is mixed.
      alpha: Of the Beta distribution; larger mixes more evenly. ImageNet networks use 0.1 to 0.4.

    Returns:
      Images and targets of the same shapes and types.
    """
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(f"mixup needs floating images, got {images.dtype}: normalise them first")
    share = _own_share(key, images, targets, alpha)

    def mix(x: Array) -> Array:
        own = share.reshape((-1,) + (1,) * (x.ndim - 1))
        return (own * x + (1 - own) * x[::-1]).astype(x.dtype)

    return mix(images), mix(targets)


def cutmix(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """Paste a box of another image into each, and mix the targets by area (Yun et al. 2019, "CutMix").

    Partners and shares are those of `mixup`. The box has the image's aspect ratio and a uniform centre; it is clipped
    at the border, and the targets are mixed by the pixels that are left of it.

    Args:
      key: One box per row.
      images: (N, H, W, C), of any type.
      targets: (N, num_classes); a row of zeros is absent, and neither it nor its partner is mixed.
      alpha: Of the Beta distribution; the paper's is 1.

    Returns:
      Images and targets of the same shapes and types.
    """
    share_key, row_key, column_key = jax.random.split(key, 3)
    n, height, width, _ = images.shape
    side = jnp.sqrt(1 - _own_share(share_key, images, targets, alpha))

    def span(key: Array, size: int) -> Array:
        """Which of `size` rows (or columns) are in the box: (N, size)."""
        half = jnp.floor(size * side).astype(int) // 2
        centre = jax.random.randint(key, (n,), 0, size)
        position = jnp.arange(size)
        return ((centre - half)[:, None] <= position) & (position < (centre + half)[:, None])

    box = span(row_key, height)[:, :, None] & span(column_key, width)[:, None, :]
    share = 1 - box.mean((1, 2))[:, None]
    mixed = (share * targets + (1 - share) * targets[::-1]).astype(targets.dtype)
    return jnp.where(box[..., None], images[::-1], images), mixed
