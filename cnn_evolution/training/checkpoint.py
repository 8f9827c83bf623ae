"""The only file that knows orbax: checkpoints of the training state, each named by its step, with the run's identity.

Reading opens them read-only and deletes nothing, so any number of readers may look on while a run trains.
"""

import errno
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from cnn_evolution.addresses import local_path
from cnn_evolution.parallel import decided_by_first, highest
from cnn_evolution.training.state import TrainState

log = logging.getLogger(__name__)

_DAMAGE = re.compile("DATA_LOSS|OUT_OF_RANGE|NOT_FOUND|pytree structure error")
_ANOTHER_FORM = re.compile("Requested shape|tree structures do not match")
_ITEMS = ("state", "run")


class Saved(NamedTuple):
    """What a checkpoint holds.

    Attributes:
      state: The training state.
      run: The identity of the run that it is of.
      devices: Their number in the step before; None in a checkpoint of an earlier version.
    """

    state: TrainState
    run: dict[str, Any]
    devices: int | None = None


class _Outcome(IntEnum):
    """Of reading a checkpoint, the better first."""

    WHOLE = 0
    GONE = 1
    DAMAGED = 2
    UNREADABLE = 3


class Checkpoints:
    """The checkpoints of one run, in `directory`, each named by its step and with the run's identity.

    Saving returns at once and writes in the background, to a temporary name first, so a killed process leaves the
    previous checkpoint whole.
    """

    def __init__(self, directory: Path, run: Mapping[str, Any], newest: int = 2):
        self._directory, self._run, self._kept = directory, dict(run), _Kept(newest)
        options = ocp.CheckpointManagerOptions(preservation_policy=self._kept, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options, item_names=_ITEMS)

    def save(self, state: TrainState, keep: Collection[int] = ()) -> None:
        """Stores the state after its `state.step` steps; keeps it, the one before, and those of the steps `keep`.

        Raises:
          OSError: It, or the one before, cannot be written; says which checkpoint is the last whole one.
        """
        self._kept.besides = frozenset(keep)
        run = {**self._run, "devices": jax.device_count()}
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), run=ocp.args.JsonSave(run))
        with self._in_words(f"the checkpoint of step {int(state.step)} or the one before"):
            self._manager.save(int(state.step), args=items)

    def close(self) -> None:
        """Waits until everything is written.

        Raises:
          OSError: As `save`.
        """
        with self._in_words("the last checkpoint"):
            self._manager.wait_until_finished()
        self._manager.close()

    @contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of orbax, TensorStore and the system
            full = "RESOURCE_EXHAUSTED" in str(error) or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
            why = "no space is left there" if full else f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            whole = next(iter(steps_of(self._directory)), None)
            last = "there is no whole one" if whole is None else f"the last whole one is of step {whole}"
            raise OSError(f"{what} cannot be written in {self._directory}, since {why}; {last}") from error


class _Kept(ocp.checkpoint_managers.PreservationPolicy):
    """Keeps the newest checkpoints, and those of the steps `besides`."""

    def __init__(self, newest: int):
        self.newest, self.besides = newest, frozenset[int]()

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        kept = self.besides | set(sorted(steps)[-self.newest :])
        return [step in kept for step in steps]


@contextmanager
def open_checkpoints(directory: Path, run: Mapping[str, Any], newest: int = 2) -> Iterator[Checkpoints]:
    """Checkpoints that are closed, and so completely written, however the block ends."""
    checkpoints = Checkpoints(directory, run, newest)
    try:
        yield checkpoints
    finally:
        checkpoints.close()


def steps_of(directory: Path) -> list[int]:
    """The steps of the whole checkpoints, newest first.

    Raises:
      ValueError: It is an address of object storage, where no run can be.
    """
    return sorted((int(path.name) for path in local_path(directory).glob("*") if path.name.isdigit()), reverse=True)


def read_newest(
    directory: Path, template: Any, set_aside: Callable[[Path], None] = lambda damaged: None
) -> Saved | None:
    """The newest whole checkpoint; None if there is no checkpoint.

    Args:
      directory: Of the checkpoints.
      template: A state, or the shapes, types and shardings of one.
      set_aside: Called with the directory of each damaged checkpoint that is passed over, once an older one was read.

    Raises:
      ValueError: The newest one holds a state of another form.
      OSError: It cannot be read for a reason that may pass; or there are checkpoints, and all are damaged.
    """
    damaged: list[int] = []
    while left := [step for step in decided_by_first(lambda: steps_of(directory)) if step not in damaged]:
        try:
            saved = _read_alike(directory, left[0], template)
        except FileNotFoundError:
            continue  # its writer has removed it meanwhile
        if saved is None:
            damaged.append(left[0])
            continue
        for step in damaged:
            set_aside(directory / str(step))
        return saved
    if damaged:
        raise OSError(
            f"none of the checkpoints (steps {damaged}) in {directory} can be read; remove them to start the run again"
        )
    return None


def _read_alike(directory: Path, step: int, template: Any) -> Saved | None:
    """As `_read`, with the same outcome in every process: the worst that one of them has.

    Raises:
      ValueError, OSError, FileNotFoundError: As `_read`, here or in another process.
    """
    saved: Saved | None = None
    error: ValueError | OSError | None = None
    try:
        saved = _read(directory, step, template)
        ours = _Outcome.DAMAGED if saved is None else _Outcome.WHOLE
    except (ValueError, OSError) as raised:
        error, ours = raised, _Outcome.GONE if isinstance(raised, FileNotFoundError) else _Outcome.UNREADABLE
    if (worst := highest(ours)) == ours:
        if error is not None:
            raise error
        return saved
    if worst == _Outcome.DAMAGED:
        log.warning("the checkpoint of step %d in %s is damaged, as another process reads it", step, directory)
        return None
    kind = FileNotFoundError if worst == _Outcome.GONE else OSError
    raise kind(f"another process cannot read the checkpoint of step {step} in {directory}; its own output says why")


def _read(directory: Path, step: int, template: Any) -> Saved | None:
    """The checkpoint of a step; None, with a warning, if it is damaged.

    Raises:
      ValueError, OSError: As `read_newest`.
      FileNotFoundError: There is no such checkpoint any more.
    """
    if (directory / str(step) / "state").exists() and not (directory / str(step) / "run").exists():
        raise ValueError(f"the checkpoint of step {step} in {directory} is of an older version, without its run")
    alone = ocp.options.MultiprocessingOptions(  # or orbax would wait for a process that cannot read
        primary_host=jax.process_index(),
        active_processes={jax.process_index()},
        barrier_sync_key_prefix=f"process{jax.process_index()}",
    )
    options = ocp.CheckpointManagerOptions(
        read_only=True, create=False, save_interval_steps=0, multiprocessing_options=alone
    )
    manager = ocp.CheckpointManager(directory.absolute(), options=options, item_names=_ITEMS)
    try:
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(template), run=ocp.args.JsonRestore())
        items = manager.restore(step, args=arguments)
        return Saved(items["state"], items["run"], items["run"].pop("devices", None))
    except Exception as error:  # of orbax, TensorStore, JSON and the system
        what, why = f"the checkpoint of step {step} in {directory}", str(error).partition("\n")[0]
        if not (directory / str(step)).exists():
            raise FileNotFoundError(f"{what} is gone") from error
        if _ANOTHER_FORM.search(str(error)):
            raise ValueError(f"{what} holds a state of another form than this task's: {why}") from error
        if isinstance(error, json.JSONDecodeError | FileNotFoundError | KeyError) or _DAMAGE.search(str(error)):
            log.warning("%s is damaged: %s: %s", what, type(error).__name__, why[:200])
            return None
        raise OSError(f"{what} cannot be read now, and is left as it is: {type(error).__name__}: {why}") from error
    finally:
        manager.close()


def set_aside(damaged: Path) -> None:
    """Renames the directory of a damaged checkpoint, so that its step can be written again."""
    number = 1
    while (aside := damaged.with_name(f"damaged-{damaged.name}-{number}")).exists():
        number += 1
    damaged.rename(aside)


def load_saved(directory: Path, template: Any, step: int | None = None) -> Saved:
    """The checkpoint of a step, or the newest whole one.

    Raises:
      FileNotFoundError: The directory holds no checkpoint, or none of that step.
      ValueError, OSError: As `read_newest`; or the checkpoint of that step is damaged.
    """
    kept = decided_by_first(lambda: steps_of(directory))
    if not kept:
        raise FileNotFoundError(f"there is no checkpoint in {directory}; train the run first")
    if step is not None and step not in kept:
        have = ", ".join(map(str, kept))
        raise FileNotFoundError(f"there is no checkpoint of step {step} in {directory}; it has those of {have}")
    saved = read_newest(directory, template) if step is None else _read_alike(directory, step, template)
    if saved is None:
        raise OSError(f"the checkpoint of step {step} in {directory} is damaged; there are also those of {kept}")
    return saved
