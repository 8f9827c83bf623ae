"""What a training run carries from step to step."""

from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import Array


@flax.struct.dataclass
class TrainState:
    """The state after `step` optimiser steps.

    Attributes:
      step: int32 scalar.
      params: Trainable parameters, float32.
      model_state: The other collections of variables, such as `{"batch_stats": ...}`.
      opt_state: The optimiser's state.
      ema: Moving averages of `params` and of `model_state`, as variables; None if the task keeps none.
    """

    step: Array
    params: Any
    model_state: Any
    opt_state: optax.OptState
    ema: Any

    def variables(self) -> dict[str, Any]:
        """What evaluation applies the network to: the moving averages if there are any, of one and the same steps."""
        return {"params": self.params, **self.model_state} if self.ema is None else dict(self.ema)


def start_state(variables: Mapping[str, Any], optimizer: optax.GradientTransformation, *, ema: bool) -> TrainState:
    """The state before the first step of training given variables; pure."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        model_state={name: value for name, value in variables.items() if name != "params"},
        opt_state=optimizer.init(params),
        ema=jax.tree.map(jnp.copy, dict(variables)) if ema else None,
    )
