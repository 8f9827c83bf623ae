"""The only file that knows orbax: checkpoints of the training state, each named by its step."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

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
            item_names=("state",),
        )

    def save(self, state: TrainState) -> None:
        """Stores the state after its `state.step` steps."""
        self._manager.save(int(state.step), args=ocp.args.Composite(state=ocp.args.StandardSave(state)))

    def restore(self, template: Any) -> TrainState | None:
        """The newest whole checkpoint; None if there is none.

        The template is a state, or the shapes, types and shardings of one.
        A damaged checkpoint is passed over with a warning, and removed once an older one could be read.

        Raises:
          OSError: There are checkpoints, but none can be read.
        """
        damaged: list[int] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self._manager.restore(
                    step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template))
                )
            except Exception as error:
                why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
                log.warning("the checkpoint of step %d is damaged and passed over: %s", step, why)
                damaged.append(step)
                continue
            for broken in damaged:
                self._manager.delete(broken)
            return restored["state"]
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


def load_state(directory: Path, template: Any) -> TrainState:
    """The state of the newest checkpoint.

    Raises:
      FileNotFoundError: The directory holds no checkpoint.
      OSError: As `Checkpoints.restore`.
    """
    restored = None
    if directory.is_dir():
        with open_checkpoints(directory) as checkpoints:
            restored = checkpoints.restore(template)
    if restored is None:
        raise FileNotFoundError(f"there is no checkpoint in {directory}; train the run first")
    return restored


def has_checkpoint(directory: Path) -> bool:
    """Whether a run could continue from here."""
    return directory.is_dir() and any(path.name.isdigit() for path in directory.iterdir())
