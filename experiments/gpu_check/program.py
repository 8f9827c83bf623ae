"""The package's own training step for a network of the catalogue, on weights that are the same on every platform."""

import dataclasses
import functools
import math
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import cnn_evolution as ce
from cnn_evolution.parallel import AXIS, check_batch_size, map_step, replicated
from cnn_evolution.pixels import Pixels
from cnn_evolution.training.optimizer import make_optimizer, make_schedule
from cnn_evolution.training.recipe import DataConfig, ModelConfig, OptimizerConfig, Recipe, ScheduleConfig
from cnn_evolution.training.run import build_model
from cnn_evolution.training.state import TrainState, init_state
from cnn_evolution.training.step import make_train_step
from experiments.contenders import Case

CLASSES = 1000


def recipe_of(case: Case) -> Recipe:
    """Stochastic gradient descent, on images as they are.

    The steps are so short that the loss falls steadily, from weights drawn without care for it: in longer ones two
    CPU programs of ResNet-50 that differ in rounding alone come apart by a tenth within five steps.
    """
    return Recipe(
        model=ModelConfig(name=case.model, width=case.width),
        data=DataConfig(size=case.input_size, evaluation_resize=case.input_size),
        optimizer=OptimizerConfig(learning_rate=3e-4, clip_norm=1.0),
        schedule=ScheduleConfig(name="constant"),
        batch_size=case.batch_size,
        dtype="bfloat16" if case.dtype == "bfloat16" else "float32",
    )


@dataclasses.dataclass(frozen=True)
class Program:
    """A training step that is traced and lowered, but not compiled.

    Attributes:
      lowered: `(state, batch) -> (state, metrics)`, which donates the state.
      template: Shapes and types of the state.
    """

    case: Case
    lowered: jax.stages.Lowered
    template: TrainState

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

        return jax.device_put(jax.tree_util.tree_map_with_path(value, self.template), replicated())

    def batch(self) -> Any:
        """Random images (devices, N / devices, H, W, 3) and labels, on the devices."""
        rng = np.random.default_rng(1)

        def value(leaf: Any) -> np.ndarray:
            return rng.integers(256 if leaf.dtype == np.uint8 else CLASSES, size=leaf.shape, dtype=leaf.dtype)

        split = NamedSharding(replicated().mesh, PartitionSpec(AXIS))
        return jax.device_put(jax.tree.map(value, batch_template(self.case)), split)


def batch_template(case: Case) -> Any:
    """Shapes and types of a batch."""
    devices, side = jax.local_device_count(), case.input_size
    share = (devices, case.batch_size // devices)
    return {
        "image": jax.ShapeDtypeStruct((*share, side, side, 3), np.uint8),
        "label": jax.ShapeDtypeStruct(share, np.int32),
    }


@functools.cache
def program(case: Case) -> Program:
    """Traces and lowers the step that `experiments.train` would run for this network.

    Raises:
      ValueError: as `create_model`, or the batch does not divide over the devices.
    """
    recipe, spec = recipe_of(case), ce.model_info(case.model)
    check_batch_size(case.batch_size)
    model = build_model(recipe, CLASSES)
    schedule = make_schedule(recipe.schedule, recipe.optimizer.learning_rate, 1.0, 1)
    optimizer = make_optimizer(recipe.optimizer, schedule)
    step: Any = map_step(make_train_step(model, Pixels(spec.mean, spec.std), recipe, optimizer, schedule, CLASSES))
    template = jax.eval_shape(functools.partial(init_state, model, optimizer, 0, case.input_size))
    return Program(case, step.lower(template, batch_template(case)), template)
