"""Runs of recipes, by their directories: trained, loaded again, and evaluated together."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from cnn_evolution.data import ImageSource, Workers, first_difference
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.errors import Answered
from cnn_evolution.evaluation.results import Result, measure
from cnn_evolution.parallel import decided_by_first
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.recipes.build import build, independent, open_split, recipe_of, restored
from cnn_evolution.recipes.config import Recipe
from cnn_evolution.training.checkpoint import steps_of
from cnn_evolution.training.evaluations import Which
from cnn_evolution.training.fit import as_classifier, fit, load
from cnn_evolution.training.identity import check_classes, identity, read_identity
from cnn_evolution.training.state import TrainState
from cnn_evolution.training.task import RunOptions, Task

log = logging.getLogger(__name__)


def train(recipe: Recipe, run_dir: Path, options: RunOptions | None = None, *, data_dir: Path | None = None) -> Result:
    """Trains by a recipe, or continues; see `build` and `fit`."""
    return fit(task_of(recipe, run_dir, data_dir=data_dir), run_dir, options)


def task_of(recipe: Recipe, run_dir: Path, *, data_dir: Path | None = None) -> Task:
    """The task of a recipe, with the weights that it starts from unless the run has begun; see `build`."""
    begun = decided_by_first(lambda: bool(steps_of(run_dir / "checkpoints")))
    return build(independent(recipe), data_dir=data_dir, load=not begun)


def load_run(
    run_dir: Path, *, data_dir: Path | None = None, start: bool = False, which: Which = None
) -> tuple[Task, TrainState]:
    """The task of a run that was trained by a recipe, and the state of one of its checkpoints.

    Args:
      run_dir: The run's directory.
      data_dir: Where prepared data sets lie; None for the default place.
      start: Load the published weights that it started from too, which its initial state needs.
      which: The step of a checkpoint; None for the newest, "best" for that with the lowest top-1 error.

    Raises:
      FileNotFoundError: The directory holds no run, or a run without such a checkpoint.
      ValueError: It holds a run of an older version, or of a task that no recipe describes.
    """
    task = build(recipe_of(read_identity(run_dir), run_dir), data_dir=data_dir, load=start)
    return task, load(task, run_dir, identity(task), which)


def load_classifier(run_dir: Path, which: Which = None) -> Classifier:
    """The network of a run that was trained by a recipe; no data set is needed.

    Raises:
      FileNotFoundError, ValueError: As `load_run`, whose arguments these are.
    """
    return as_classifier(*restored(run_dir, which))


def load_network(run_dir: Path, name: str | None = None, which: Which = None) -> Pretrained:
    """The same with all that belongs to it.

    Raises:
      ValueError: It is not the network `name`, if there is one; or as `load_run`.
      FileNotFoundError: As `load_run`.
    """
    run = load_classifier(run_dir, which)
    if name not in (None, run.name):
        raise ValueError(f"{run_dir} holds a run of {run.name}, and not of {name!r}")
    variables = jax.device_get(run.variables)
    return Pretrained(model=run.model, variables=variables, pixels=run.pixels, crop=run.crop, classes=run.classes)


def evaluate_runs(
    run_dirs: Sequence[Path],
    *,
    split: str | None = None,
    which: Which = None,
    batch_size: int | None = None,
    workers: Workers = "auto",
    max_corrupt: int = 0,
    data_dir: Path | None = None,
    answered: Answered | None = None,
) -> Result:
    """Errors of a trained run, or of several whose probabilities are averaged.

    Only the split that is evaluated is opened. Where it has some of the runs' classes only, or in another order, labels
    follow the names.

    Args:
      run_dirs: Directories of runs on one data set.
      split: None for the evaluation split of the first run's recipe.
      which: The step of the checkpoint, in every run; None for the newest, "best" for that with the lowest top-1 error.
      batch_size: Images per step over all devices; None for that of the first run's recipe.
      workers: Processes that decode images; 0 decodes in threads of this process, "auto" chooses by its cores.
      max_corrupt: Images that may be left out because they cannot be read.
      data_dir: Where prepared data sets lie; None for the default place.
      answered: Gets each image's answer.

    Raises:
      ValueError: There is no run, the runs are on several data sets, or the split has classes that they do not know.
      FileNotFoundError: A directory holds no run, or a run without such a checkpoint.
    """
    if not run_dirs:
        raise ValueError("there is nothing to evaluate; expected the directory of at least one run")
    known = [read_identity(directory) for directory in run_dirs]
    recipe, data = recipe_of(known[0], run_dirs[0]), known[0]["data"]
    for directory, run in zip(run_dirs[1:], known[1:], strict=True):
        check_classes(data["classes"], run["data"]["classes"], directory)
        if (names := [data["evaluation"]["name"], run["data"]["evaluation"]["name"]])[0] != names[1]:
            raise ValueError(f"an ensemble needs runs on one data set; these are on {names[0]!r} and {names[1]!r}")
    networks = [load_classifier(directory, which) for directory in run_dirs]
    found = open_split(recipe.data, split or recipe.data.evaluation_split, data_dir)
    return measure(
        networks,
        _as_known(found, data, run_dirs[0]),
        {"runs": [network.config for network in networks]},
        batch_size=batch_size or recipe.batch_size,
        workers=workers,
        max_corrupt=max_corrupt,
        answered=answered,
    )


def _as_known(found: ImageSource, data: Mapping[str, Any], run_dir: Path) -> ImageSource:
    """A split with its labels as a run has them, which says where the images are others than the run knows.

    Raises:
      ValueError: It has classes that the run does not know; gives both lists.
    """
    classes, known = data["classes"], data["evaluation"]
    if not set(found.class_names) <= set(classes):
        check_classes(found.class_names, classes, run_dir)
    if first_difference(found.class_names, classes) is not None:
        log.warning("the %d classes of %s are found by name among %s's", found.num_classes, found.name, run_dir)
    elif found.split == known["split"] and found.fingerprint != known["fingerprint"]:
        log.warning("%s knows %s, split %s, with other images", run_dir, found.name, found.split)
    return found.with_classes(classes)
