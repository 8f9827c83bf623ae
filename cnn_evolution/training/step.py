"""One optimiser step, as a pure function of one replica's state and share of the batch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from cnn_evolution.data import present
from cnn_evolution.parallel import AXIS, shared
from cnn_evolution.pixels import Pixels, normalise, unit_range
from cnn_evolution.training.augment import BatchOperation, Prepared
from cnn_evolution.training.objective import Objective
from cnn_evolution.training.state import TrainState, joined_params, split_params

OWN_METRICS = ("loss", "gradient_norm", "learning_rate")

Step = Callable[[TrainState, Any, dict[str, Any]], tuple[TrainState, dict[str, Array]]]
"""`(state, batch, constants) -> (state, metrics)`.

A batch is as the reader gives it: `{"image": uint8 (N, S, S, 3), "label": int32 (N,)}`. The constants are `seed`, a
uint32, and `frozen`, what the objective reads besides.
"""


@shared
def make_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    pixels: Pixels,
    num_classes: int,
    operations: tuple[BatchOperation, ...] = (),
    accumulate_steps: int = 1,
    ema_decay: float = 0.0,
    frozen_params: frozenset[str] = frozenset(),
) -> Step:
    """The per-replica step; it must run under the axis `AXIS`.

    The loss is the mean over all images of the global batch, so with synchronised batch statistics the result does not
    depend on how the batch is split over devices; random numbers are drawn per replica. Rows that hold no image carry
    no weight. The new model state is the mean over replicas and parts, so it moves once a step. Parameters whose paths
    are in `frozen_params` stay as they are, and neither metrics nor the optimizer see a gradient of them. Equal
    arguments give the same step.

    Raises:
      ValueError: When it is traced: an operation or the objective breaks its contract.
    """

    def step(state: TrainState, batch: Any, constants: dict[str, Any]) -> tuple[TrainState, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.key(constants["seed"]), state.step)
        key = jax.random.fold_in(key, lax.axis_index(AXIS))
        count = lax.psum(present(batch["label"]).sum(), AXIS)
        trained, kept = split_params(state.params, frozen_params)

        def part(grads: Any, x: tuple[Array, Any]) -> tuple[Any, tuple[Any, dict[str, Array]]]:
            operations_key, objective_key = jax.random.split(x[0])
            prepared = prepare(operations_key, x[1], pixels, num_classes, operations)

            def summed(trained: Any) -> tuple[Array, tuple[Any, dict[str, Array]]]:
                params = joined_params(trained, kept)
                out = objective(params, state.model_state, prepared, objective_key, state.step, constants["frozen"])
                check_objective(out, state.model_state)
                return out

            (loss, (model_state, metrics)), new = jax.value_and_grad(summed, has_aux=True)(trained)
            return jax.tree.map(jnp.add, grads, new), (model_state, {"loss": loss, **metrics})

        zeros = jax.tree.map(jnp.zeros_like, trained)
        keys = jax.random.split(key, accumulate_steps)
        if accumulate_steps == 1:
            grads, (model_state, sums) = part(zeros, (keys[0], batch))
        else:
            split = jax.tree.map(lambda x: x.reshape(accumulate_steps, -1, *x.shape[1:]), batch)
            grads, (model_states, parts) = lax.scan(part, zeros, (keys, split))
            model_state = jax.tree.map(lambda x, old: x.mean(0).astype(old.dtype), model_states, state.model_state)
            sums = jax.tree.map(lambda x: x.sum(0), parts)

        grads = jax.tree.map(lambda g: g / count, lax.psum(grads, AXIS))
        updates, opt_state = optimizer.update(grads, state.opt_state, trained)
        params = joined_params(optax.apply_updates(trained, updates), kept)
        metrics = jax.tree.map(lambda x: x / count, lax.psum(sums, AXIS))
        metrics["gradient_norm"] = optax.tree.norm(grads)
        rates = [
            rate for _, rate in optax.tree.get_all_with_path(opt_state, "learning_rate") if isinstance(rate, Array)
        ]
        if len(rates) == 1:
            metrics["learning_rate"] = rates[0]
        model_state = jax.tree.map(lambda x: lax.pmean(x, AXIS).astype(x.dtype), model_state)
        averages = _averaged(state, {"params": params, **model_state}, ema_decay)
        new = TrainState(state.step + 1, params, model_state, opt_state, averages)
        check_form(
            new, state, "the optimizer must keep the structure, shapes and types of parameters and of its own state"
        )
        return new, metrics

    return step


def prepare(
    key: Array, batch: Any, pixels: Pixels, num_classes: int, operations: tuple[BatchOperation, ...]
) -> Prepared:
    """A batch as read -> the batch that an objective sees.

    Raises:
      ValueError: An operation changes a shape or type.
    """
    rows = len(batch["label"])
    labels, images = batch["label"], unit_range(batch["image"])
    batch = {"image": images, "label": labels, "target": jax.nn.one_hot(labels, num_classes)}
    for one, operation in zip(jax.random.split(key, max(1, len(operations))), operations, strict=False):
        changed = operation(one, batch)
        check_form(changed, batch, f"the batch operation {operation} must keep the shapes and types of the batch")
        batch = changed
    chex.assert_shape([batch["image"], batch["target"]], [(rows, None, None, 3), (rows, num_classes)])
    return batch | {"image": normalise(batch["image"], *pixels)}


def check_objective(out: Any, model_state: Any) -> None:
    """Raises ValueError if an objective's output is not as its contract says."""
    try:
        loss, (new_state, metrics) = out
        names = sorted(metrics)
    except (TypeError, ValueError) as error:
        raise ValueError("an objective must return (loss, (model_state, metrics)), with a dict of metrics") from error
    with in_words("the loss must be a floating scalar, summed over the rows that hold an image"):
        chex.assert_shape(loss, ())
        chex.assert_type(loss, float)
    check_form(new_state, model_state, "an objective must keep the structure, shapes and types of model_state")
    for name in names:
        if name in OWN_METRICS:
            raise ValueError(f"the metric {name!r} is the step's own; the objective's needs another name")
        with in_words(f"the metric {name!r} must be a scalar, summed over the rows that hold an image"):
            chex.assert_shape(metrics[name], ())


def check_form(new: Any, old: Any, rule: str) -> None:
    """Raises ValueError, with the rule, if a tree has not the structure, shapes and types of another."""
    with in_words(rule):
        chex.assert_trees_all_equal_structs(new, old)
        chex.assert_trees_all_equal_shapes_and_dtypes(new, old)


@contextlib.contextmanager
def in_words(rule: str) -> Iterator[None]:
    """Makes a ValueError of what chex finds against a rule."""
    try:
        yield
    except AssertionError as error:
        found = " ".join(str(error).split("[Chex]")[-1].split())
        raise ValueError(f"{rule}: {found[:400]}") from error


def _averaged(state: TrainState, variables: Any, decay: float) -> Any:
    """The moving averages, to the bit the variables where those stay as they are.

    Their decay grows from 0.1, as TensorFlow's: the first weights are soon forgotten.
    """
    if state.ema is None:
        return None
    moved = 1 - jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    return jax.tree.map(lambda new, old: old + moved * (new - old), variables, state.ema)
