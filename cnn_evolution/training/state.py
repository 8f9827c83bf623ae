"""What a training run carries from step to step."""

import difflib
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import traverse_util
from jax import Array


@flax.struct.dataclass
class TrainState:
    """The state after `step` optimiser steps.

    Attributes:
      step: int32 scalar.
      params: Parameters, float32, frozen ones among them.
      model_state: The other collections of variables, such as `{"batch_stats": ...}`.
      opt_state: The optimiser's state, of the parameters that are trained.
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


def start_state(
    variables: Mapping[str, Any],
    optimizer: optax.GradientTransformation,
    *,
    ema: bool,
    frozen_params: frozenset[str] = frozenset(),
) -> TrainState:
    """The state before the first step of training given variables; pure.

    Raises:
      ValueError: As `split_params`.
    """
    params = variables["params"]
    trained, _ = split_params(params, frozen_params)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        model_state={name: value for name, value in variables.items() if name != "params"},
        opt_state=optimizer.init(trained),
        ema=jax.tree.map(jnp.copy, dict(variables)) if ema else None,
    )


def split_params(params: Any, frozen: frozenset[str]) -> tuple[Any, Any]:
    """The parameters that are trained, and those that are frozen, each without the others.

    Args:
      params: Nested dictionaries of arrays; any tree if nothing is frozen.
      frozen: Paths, such as "stage1_block1/conv1/kernel".

    Raises:
      ValueError: A path is that of no parameter, or all are frozen.
    """
    if not frozen:
        return params, {}
    flat = traverse_util.flatten_dict(params, sep="/")
    if unknown := sorted(frozen - flat.keys()):
        near = difflib.get_close_matches(unknown[0], flat, n=1, cutoff=0)
        raise ValueError(f"frozen_params has {unknown[0]!r}, which is no parameter; the nearest is {near[0]!r}")
    if frozen == flat.keys():
        raise ValueError(f"frozen_params has all {len(flat)} parameters, so that there is nothing to train")
    trained, kept = ({path: x for path, x in flat.items() if (path in frozen) is part} for part in (False, True))
    return traverse_util.unflatten_dict(trained, sep="/"), traverse_util.unflatten_dict(kept, sep="/")


def joined_params(trained: Any, kept: Any) -> Any:
    """The inverse of `split_params`."""
    if not kept:
        return trained
    return traverse_util.unflatten_dict(traverse_util.flatten_dict(trained) | traverse_util.flatten_dict(kept))
