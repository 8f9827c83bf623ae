"""What a run would do, found out without writing anything."""

import dataclasses
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax

from cnn_evolution.data import evaluation_batches, train_batches
from cnn_evolution.files import existing
from cnn_evolution.training.checkpoint import steps_of
from cnn_evolution.training.evaluations import evaluations
from cnn_evolution.training.fit import check, load
from cnn_evolution.training.identity import identity
from cnn_evolution.training.state import split_params
from cnn_evolution.training.task import RunOptions, Task

CHECKPOINTS = 4  # that may lie on the disk: the newest two, the best, and one that is being written
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A run before it is done.

    Attributes:
      start: Steps that are done already.
      evaluated: Whether the last step is evaluated too, so that nothing is left to do.
      parameters: Numbers that are trained.
      frozen_parameters: Numbers that stay as they are.
      state_bytes: Of the whole state, on every device and in every checkpoint.
      step_bytes: What a step takes on each device at its peak, by XLA's analysis: state, batch and what lies between.
      between_bytes: The part of it that is neither state nor batch.
      free_bytes: Room on the disk of the run's directory.
    """

    start: int
    evaluated: bool
    parameters: int
    frozen_parameters: int
    state_bytes: int
    step_bytes: int
    between_bytes: int
    free_bytes: int


def plan(task: Task, run_dir: Path | str, options: RunOptions | None = None) -> Plan:
    """Checks all that `fit` would: the task, the directory, its newest checkpoint, the first batch of both splits.

    The step is compiled, which finds out what memory it takes; nothing is computed or written.

    Raises:
      ValueError, OSError: As `fit`; or the directory could not be made.
    """
    run_dir, options, run = Path(run_dir), options or RunOptions(), identity(task)
    mapped, (state, batch, constants) = check(task)
    steps = steps_of(run_dir / "checkpoints")
    start = int(load(task, run_dir, run).step) if steps else 0
    place = existing(run_dir)
    try:
        tempfile.TemporaryFile(dir=place).close()  # which has no name, so nobody sees it
    except OSError as error:
        raise OSError(f"{run_dir} cannot be written: {error.strerror}: {place}") from error
    _read_first_batches(task, options, start)
    memory = mapped.lower(state, batch, constants).compile().memory_analysis()  # type: ignore[attr-defined]
    parts = split_params(state.params, task.frozen_params)
    numbers = [sum(leaf.size for leaf in jax.tree.leaves(part)) for part in parts]
    free, size = shutil.disk_usage(place).free, tree_bytes(state)
    if free < CHECKPOINTS * size:
        log.warning("up to %d checkpoints of %d bytes may lie in %s, where %d are free", CHECKPOINTS, size, place, free)
    return Plan(
        start=start,
        evaluated=task.steps in evaluations(run_dir, run),
        parameters=numbers[0],
        frozen_parameters=numbers[1],
        state_bytes=size,
        step_bytes=memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes,
        between_bytes=memory.temp_size_in_bytes,
        free_bytes=free,
    )


def _read_first_batches(task: Task, options: RunOptions, start: int) -> None:
    """Raises what the reader finds wrong."""
    share: dict[str, Any] = {"workers": options.workers, "max_corrupt": options.max_corrupt}
    size = task.batch_size
    streams = (
        train_batches(
            task.train,
            batch_size=size,
            crop=task.crop,
            seed=task.seed,
            operations=task.image_operations,
            start=start,
            **share,
        ),
        evaluation_batches(task.evaluation, batch_size=size, crop=task.test_crop, **share),
    )
    for stream in streams:
        next(stream)
        stream.close()


def tree_bytes(tree: object) -> int:
    """The memory of a tree's arrays."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
