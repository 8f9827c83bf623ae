"""The feature maps that a network computes on the way to its output."""

import inspect
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
from flax import errors
from jax import Array

from cnn_evolution.analysis.graph import flat


def features(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Array,
    *,
    train: bool = False,
    rngs: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Named feature maps of a network, in the order in which they are computed.

    In training mode batch normalisation takes the statistics of the batch; what it would add to its running statistics
    is dropped, and `variables` stay as they are.

    Args:
      model: A module from `create_model`, or any Linen module that stores maps in the collection "endpoints".
      variables: Its variables.
      images: (N, H, W, 3).
      train: Whether the network is in training mode.
      rngs: Keys of what draws random numbers in training mode, for example `{"dropout": key}`.

    Returns:
      Maps (N, H, W, C) and vectors (N, C); empty if the module stores none.

    Raises:
      ValueError: if the network has no training mode, or a key is missing.
    """
    mode: dict[str, Any] = {"train": True} if train else {}
    mutable = ["endpoints", "batch_stats"] if train else ["endpoints"]
    try:
        inspect.signature(model.__call__).bind(images, **mode)
    except TypeError as error:
        raise ValueError(f"{type(model).__name__} cannot be called with train={train}: {error}") from error
    try:
        _, state = model.apply(variables, images, rngs=dict(rngs) if rngs else None, mutable=mutable, **mode)
    except errors.InvalidRngError as error:
        given = ", ".join(rngs or {}) or "none"
        raise ValueError(f"rngs has the keys {given}; training draws random numbers from others: {error}") from error
    return flat(state.get("endpoints", {}))
