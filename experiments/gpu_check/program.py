"""The package's own training step for a network of the catalogue, on weights that are the same on every platform."""

import dataclasses
import functools
import math
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import cnn_evolution as ce
from cnn_evolution.data import ArraySource, CenterCrop
from cnn_evolution.parallel import AXIS, replicated
from cnn_evolution.pixels import Pixels
from cnn_evolution.recipes import ScheduleConfig, Sgd
from cnn_evolution.recipes.optimizer import make_optimizer
from cnn_evolution.training import Task
from cnn_evolution.training.fit import check
from cnn_evolution.training.state import TrainState
from experiments.contenders import Case

CLASSES = 1000


def task_of(case: Case) -> Task:
    """Stochastic gradient descent, on images as they are.

    The steps are so short that the loss falls steadily, from weights drawn without care for it: in longer ones two
    CPU programs of ResNet-50 that differ in rounding alone come apart by a tenth within five steps.
    """
    spec = ce.model_info(case.model)
    nothing = ArraySource(np.zeros((1, 1, 1, 3), np.uint8), [0], tuple(map(str, range(CLASSES))))
    return Task(
        model=ce.create_model(
            case.model,
            num_classes=CLASSES,
            width=case.width,
            input_size=case.input_size,
            dtype=np.dtype("float32") if case.dtype != "bfloat16" else jax.numpy.bfloat16,
        ),
        train=nothing,
        evaluation=nothing,
        pixels=Pixels(spec.mean, spec.std),
        crop=CenterCrop(case.input_size, case.input_size),
        optimizer=make_optimizer(Sgd(learning_rate=3e-4, clip_norm=1.0), ScheduleConfig(name="constant"), 1.0, 1),
        steps=1,
        batch_size=case.batch_size,
    )


@dataclasses.dataclass(frozen=True)
class Program:
    """A training step that is traced and lowered, but not compiled.

    Attributes:
      lowered: `(state, batch, constants) -> (state, metrics)`, which donates the state.
      arguments: Shapes and types of what it takes.
    """

    case: Case
    lowered: jax.stages.Lowered
    arguments: tuple[TrainState, Any, Any]

    def state(self) -> TrainState:
        """He's normal kernels, drawn by NumPy in the order of their names, so that they are equal everywhere."""
        rng = np.random.default_rng(0)

        def value(path: Any, leaf: Any) -> np.ndarray:
            last = path[-1]
            name = getattr(last, "key", getattr(last, "name", ""))
            if path[0].name == "params" and name == "kernel":
                drawn = rng.standard_normal(leaf.shape, np.float32)
                return drawn * np.float32((2 / math.prod(leaf.shape[:-1])) ** 0.5)
            return np.full(leaf.shape, path[0].name != "opt_state" and name in {"scale", "var"}, leaf.dtype)

        return jax.device_put(jax.tree_util.tree_map_with_path(value, self.arguments[0]), replicated())

    def inputs(self) -> tuple[Any, Any]:
        """Random images (devices, N / devices, H, W, 3) with labels, and the constants, on the devices."""
        rng = np.random.default_rng(1)

        def value(leaf: Any) -> np.ndarray:
            return rng.integers(256 if leaf.dtype == np.uint8 else CLASSES, size=leaf.shape, dtype=leaf.dtype)

        split = NamedSharding(replicated().mesh, PartitionSpec(AXIS))
        batch = jax.device_put(jax.tree.map(value, self.arguments[1]), split)
        return batch, jax.device_put(self.arguments[2], replicated())


@functools.cache
def program(case: Case) -> Program:
    """Traces and lowers the step that `experiments.train` would run for this network.

    Raises:
      ValueError: as `create_model`, or the batch does not divide over the devices.
    """
    task = task_of(case)
    step: Any
    step, arguments = check(task)
    return Program(case, step.lower(*arguments), arguments)
