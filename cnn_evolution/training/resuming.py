"""What of a training depends on the number of devices, so that a run that goes on with another number says so."""

import re
from typing import Any

import jax

from cnn_evolution.parallel import AXIS
from cnn_evolution.training.state import TrainState
from cnn_evolution.training.step import Step
from cnn_evolution.training.task import Task

_DRAWS = re.compile(r"\b(random_bits|random_gamma|rng_\w+)\b")  # JAX's primitives


def changed_by_devices(task: Task, step: Step, arguments: tuple[TrainState, Any, dict[str, Any]]) -> list[str]:
    """What another number of devices computes otherwise, beyond rounding, in words.

    Args:
      task: The task.
      step: Its mapped step.
      arguments: What the step takes, or shapes and types of it.
    """
    changed = []
    synchronised = task.batch_statistics == "synchronised" or getattr(task.model, "axis_name", None) == AXIS
    if not synchronised and jax.tree.leaves(arguments[0].model_state):
        changed.append("statistics over each device's share of a batch")
    if _DRAWS.search(str(jax.make_jaxpr(step)(*arguments))):
        changed.append("random numbers that each device draws (dropout, augmentation of batches)")
    return changed


def continuation(start: int, steps: int, before: int | None, changed: list[str]) -> str:
    """How a run goes on, in words.

    Args:
      start: Steps that are done.
      steps: Of the whole run.
      before: Devices in the last of them; None if it is not known, or the same number.
      changed: What `changed_by_devices` finds.
    """
    said = f"continues after step {start} of {steps}"
    if before is None:
        return said
    outcome = f"others from here on are {' and '.join(changed)}" if changed else "the outcome is the same to rounding"
    return f"{said} on {jax.device_count()} device(s) instead of {before}; {outcome}"
