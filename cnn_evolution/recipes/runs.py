"""Runs of recipes, by their directories: trained, loaded again, and evaluated together."""

from collections.abc import Sequence
from pathlib import Path

from cnn_evolution.data import open_source
from cnn_evolution.evaluation.errors import evaluate_errors
from cnn_evolution.evaluation.results import Result, make_result
from cnn_evolution.recipes.build import build
from cnn_evolution.recipes.config import Recipe, from_dict
from cnn_evolution.training.checkpoint import steps_of
from cnn_evolution.training.fit import as_classifier, fit, load
from cnn_evolution.training.identity import identity, read_identity
from cnn_evolution.training.state import TrainState
from cnn_evolution.training.task import RunOptions, Task


def train(recipe: Recipe, run_dir: Path, options: RunOptions | None = None, *, data_dir: Path | None = None) -> Result:
    """Trains by a recipe, or continues; see `build` and `fit`."""
    return fit(build(recipe, data_dir=data_dir, load=not steps_of(run_dir / "checkpoints")), run_dir, options)


def load_run(run_dir: Path, *, data_dir: Path | None = None, start: bool = False) -> tuple[Task, TrainState]:
    """The task of a run that was trained by a recipe, and the state of its newest checkpoint.

    With `start`, the published weights that it started from are loaded too, which its initial state needs.

    Raises:
      FileNotFoundError: The directory holds no run, or a run without a checkpoint.
      ValueError: It holds a run of an older version, or of a task that no recipe describes.
    """
    config = read_identity(run_dir)["task"]
    try:
        recipe = from_dict(config)
    except ValueError as error:
        raise ValueError(f"{run_dir} holds no run of a recipe ({error}); build its task and use `evaluate`") from error
    task = build(recipe, data_dir=data_dir, load=start)
    return task, load(task, run_dir, identity(task))


def evaluate_runs(
    run_dirs: Sequence[Path],
    *,
    split: str | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    max_corrupt: int = 0,
    data_dir: Path | None = None,
) -> Result:
    """Errors of a trained run, or of several whose probabilities are averaged.

    Args:
      run_dirs: Directories of runs on one data set.
      split: None for the evaluation split of the first run's recipe.
      batch_size: Images per step over all devices; None for that of the first run's recipe.
      workers: Processes that decode images; 0 decodes in threads of this process.
      max_corrupt: Images that may be left out because they cannot be read.
      data_dir: Where prepared data sets lie; None for the default place.

    Raises:
      ValueError: There is no run, or the runs are on several data sets.
      FileNotFoundError: A directory holds no run, or a run without a checkpoint.
    """
    if not run_dirs:
        raise ValueError("there is nothing to evaluate; expected the directory of at least one run")
    loaded = [load_run(directory, data_dir=data_dir) for directory in run_dirs]
    first = loaded[0][0]
    datasets = dict.fromkeys((task.evaluation.name, task.evaluation.class_names) for task, _ in loaded)
    if len(datasets) > 1:
        names = " and ".join(f"{name!r} ({len(classes)} classes)" for name, classes in datasets)
        raise ValueError(f"an ensemble needs runs on one data set; these are on {names}")
    source = open_source(first.evaluation.name, split, data_dir=data_dir) if split else first.evaluation
    networks = [as_classifier(task, state, identity(task)) for task, state in loaded]
    batch_size = batch_size or first.batch_size
    errors = evaluate_errors(networks, source, batch_size=batch_size, workers=workers, max_corrupt=max_corrupt)
    return make_result(networks, source, errors, {"runs": [network.config for network in networks]})
