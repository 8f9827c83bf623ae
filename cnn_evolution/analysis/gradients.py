"""How strong the learning signal is that reaches every layer."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from cnn_evolution.analysis.cost import cost
from cnn_evolution.needed import needed_for

with needed_for("gradients"):
    import optax


def gradient_norms(
    model: nn.Module, variables: Mapping[str, Any], batches: Iterable[tuple[Array, Array]]
) -> dict[str, float]:
    """The L2 norm of the gradient of the mean cross-entropy with respect to every kernel, averaged over batches.

    Networks are in training mode, as where they learn.

    Args:
      model: A Linen module that maps images to logits and takes `train`.
      variables: Its variables; they stay as they are.
      batches: Images (N, H, W, C) and labels (N,), all of one shape.

    Returns:
      From a layer's path to the norm, from the first layer to the last.

    Raises:
      ValueError: There is no batch.
    """
    found, size = [], 0
    for images, labels in batches:
        found.append(jax.device_get(_norms(model, dict(variables), images, labels)))
        size = images.shape[1]
    if not found:
        raise ValueError("there is no batch to compute gradients of; expected at least one")
    order = [layer.name for layer in cost(model, size).layers if layer.name in found[0]]
    return {name: float(np.mean([batch[name] for batch in found])) for name in order}


@functools.partial(jax.jit, static_argnames="model")
def _norms(model: nn.Module, variables: dict[str, Any], images: Array, labels: Array) -> dict[str, Array]:
    """One batch's, in no order; of its own, so that the same network is compiled once for all its weights."""

    def loss(params: Any) -> Array:
        logits, _ = model.apply(
            {**variables, "params": params},
            images,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    flat = traverse_util.flatten_dict(jax.grad(loss)(variables["params"]), sep="/")
    return {
        path.removesuffix("/kernel"): jnp.linalg.norm(value.ravel())
        for path, value in flat.items()
        if path.endswith("/kernel")
    }
