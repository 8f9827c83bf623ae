"""Convolution with torch's explicit integer padding, as a Linen module."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jax import lax

Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """`3` means `(3, 3)`."""
    return (size, size) if isinstance(size, int) else size


def conv(
    features: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size = 0,
    *,
    groups: int = 1,
    **options: Any,
) -> nn.Conv:
    """A 2-D convolution, (N, H, W, C) -> (N, H', W', features).

    Padding is explicit and symmetric, in pixels, because `"SAME"` pads asymmetrically at stride 2. `options` go to
    `nn.Conv` (use_bias, dtype, kernel_init, bias_init, kernel_dilation, name).
    """
    return nn.Conv(
        features,
        pair(kernel_size),
        strides=pair(stride),
        padding=[(p, p) for p in pair(padding)],
        feature_group_count=groups,
        conv_general_dilated=convolve,
        **options,
    )


convolve: Callable = lax.conv_general_dilated
