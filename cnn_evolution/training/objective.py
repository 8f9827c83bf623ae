"""What training minimises, and what a network predicts."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array

from cnn_evolution.data import present
from cnn_evolution.training.augment import Prepared

Objective = Callable[[Any, Any, Prepared, Array, Array, Any], tuple[Array, tuple[Any, dict[str, Array]]]]
"""`(params, model_state, batch, key, step, frozen) -> (loss, (model_state, metrics))`.

`model_state` holds the collections of variables that no gradient changes, such as `{"batch_stats": ...}`. `batch` holds
`image` float32 (N, S, S, 3), normalised, `label` int32 (N,), `ABSENT` where a row holds no image, and `target` float32
(N, classes), which is zero there. `key` differs with seed, step, device and part of the batch; `step` counts the steps
done, a traced int32. Loss and metrics are scalars, summed over the rows that hold an image: the step divides them by
the number of such rows on all devices.
"""


@dataclasses.dataclass(frozen=True)
class CrossEntropy:
    """See `cross_entropy`."""

    model: nn.Module
    label_smoothing: float
    aux_weight: float

    def __call__(
        self, params: Any, model_state: Any, batch: Prepared, key: Array, step: Array, frozen: Any
    ) -> tuple[Array, tuple[Any, dict[str, Array]]]:
        logits, new = self.model.apply(
            {"params": params, **model_state},
            batch["image"],
            train=True,
            rngs={"dropout": key},
            mutable=[*model_state, "aux_logits"],
        )
        targets = smoothed(batch["target"], self.label_smoothing)
        loss = optax.softmax_cross_entropy(logits, targets).sum()
        for auxiliary in jax.tree.leaves(new.get("aux_logits", {})):
            exact = auxiliary.astype(jnp.promote_types(auxiliary.dtype, jnp.float32))
            loss += self.aux_weight * optax.softmax_cross_entropy(exact, targets).sum()
        wrong = present(batch["label"]) & (logits.argmax(-1) != batch["label"])
        return loss, ({name: new[name] for name in model_state}, {"top1_error": 100 * wrong.sum()})


def cross_entropy(model: nn.Module, label_smoothing: float = 0.0, aux_weight: float = 0.3) -> CrossEntropy:
    """Cross-entropy of the model's logits and of its auxiliary logits; its metric is `top1_error`, in percent.

    Args:
      model: Takes `(images, train=...)` and may sow `"aux_logits"`; its dropout draws from the key "dropout".
      label_smoothing: Share of the target that is spread evenly over all classes (Szegedy et al. 2016, section 7).
      aux_weight: Weight of each auxiliary classifier's loss (Szegedy et al. 2015, section 5).

    Raises:
      ValueError: The model does not take `train`, or a share is out of range.
    """
    if "train" not in inspect.signature(type(model).__call__).parameters:
        raise ValueError(
            f"{type(model).__name__} does not take `train`; expected __call__(self, images, *, train=False)"
        )
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing is {label_smoothing}, expected a share in [0, 1)")
    return CrossEntropy(model, label_smoothing, aux_weight)


def smoothed(targets: Array, smoothing: float) -> Array:
    """Targets (N, classes) of which a share is spread evenly over all classes; a row keeps its sum."""
    return (1 - smoothing) * targets + smoothing * targets.mean(-1, keepdims=True)
