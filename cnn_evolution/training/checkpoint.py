"""The only file that knows orbax.

A checkpoint holds the training state, the recipe, and the number of batches that the reader has handed out, so that
a run continues with the very next batch.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from cnn_evolution.training.recipe import Recipe, differences, from_json, to_json
from cnn_evolution.training.state import TrainState

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run, in `directory`, each named by its step; the newest `keep` are kept.

    Saving returns at once and writes in the background, to a temporary name first, so a killed process leaves the
    previous checkpoint whole.
    """

    def __init__(self, directory: Path, keep: int = 2):
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=keep, cleanup_tmp_directories=True),
            item_names=("state", "position"),
        )

    def save(self, state: TrainState, recipe: Recipe, batches: int) -> None:
        """Stores the state after its `state.step` steps, for which the reader handed out `batches` batches."""
        position = {"batches": batches, "recipe": json.loads(to_json(recipe))}
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), position=ocp.args.JsonSave(position)),
        )

    def restore(self, template: Any, recipe: Recipe) -> tuple[TrainState, int] | None:
        """The newest whole checkpoint: the state and the number of batches read; None if there is none.

        The template is a state, or the shapes, types and shardings of one.
        A damaged checkpoint is passed over with a warning, and removed once an older one could be read.

        Raises:
          ValueError: The checkpoint belongs to another recipe; names the fields that differ.
          OSError: There are checkpoints, but none can be read.
        """
        damaged: list[int] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                position = self._manager.restore(step, args=ocp.args.Composite(position=ocp.args.JsonRestore()))
                saved = from_json(json.dumps(position["position"]["recipe"]))
            except Exception as error:
                log.warning("the checkpoint of step %d is damaged and passed over: %s", step, _first_line(error))
                damaged.append(step)
                continue
            if lines := differences(recipe, saved):
                raise ValueError(
                    "the run was started with another recipe (this one against the saved one): " + "; ".join(lines)
                )
            try:
                restored = self._manager.restore(
                    step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template))
                )
            except Exception as error:
                log.warning("the checkpoint of step %d is damaged and passed over: %s", step, _first_line(error))
                damaged.append(step)
                continue
            for broken in damaged:
                self._manager.delete(broken)
            return restored["state"], position["position"]["batches"]
        if damaged:
            raise OSError(
                f"none of the checkpoints (steps {damaged}) in {self._manager.directory} can be read; "
                "remove them to start the run again"
            )
        return None

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()


@contextmanager
def open_checkpoints(directory: Path, keep: int = 2) -> Iterator[Checkpoints]:
    """Checkpoints that are closed, and so completely written, however the block ends."""
    checkpoints = Checkpoints(directory, keep)
    try:
        yield checkpoints
    finally:
        checkpoints.close()


def load_state(directory: Path, template: Any, recipe: Recipe) -> TrainState:
    """The state of the newest checkpoint.

    Raises:
      FileNotFoundError: The directory holds no checkpoint.
      ValueError: As `Checkpoints.restore`.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no checkpoint in {directory}; train the run first")
    with open_checkpoints(directory) as checkpoints:
        restored = checkpoints.restore(template, recipe)
    if restored is None:
        raise FileNotFoundError(f"there is no checkpoint in {directory}; train the run first")
    return restored[0]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
