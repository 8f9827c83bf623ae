"""What a training run carries from step to step."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
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
      batch_stats: Running statistics of batch normalisation; empty without it.
      opt_state: The optimiser's state.
      ema_params: Moving average of `params`; None if the recipe keeps none.
    """

    step: Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema_params: Any

    def variables(self) -> dict[str, Any]:
        """What evaluation applies the network to: the averaged parameters if there are any."""
        params = self.params if self.ema_params is None else self.ema_params
        return {"params": params, "batch_stats": self.batch_stats}


def init_state(
    model: nn.Module, optimizer: optax.GradientTransformation, seed: int, size: int, *, ema: bool = False
) -> TrainState:
    """The state before the first step, for images of `size` x `size` pixels; pure, so that it can be jitted."""
    return start_state(model.init(jax.random.key(seed), jnp.zeros((1, size, size, 3))), optimizer, ema=ema)


def start_state(variables: Mapping[str, Any], optimizer: optax.GradientTransformation, *, ema: bool) -> TrainState:
    """The state before the first step of training given parameters and statistics; pure."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(params),
        ema_params=jax.tree.map(jnp.copy, params) if ema else None,
    )
