"""Trains one network by its recipe, and evaluates it.

    python -m experiments.train resnet50 --data-dir /data/tensorflow_datasets
    python -m experiments.train alexnet --run-dir runs/alexnet-fast --optimizer.learning-rate 0.02 --epochs 60
    python -m experiments.train mini-resnet18
    python -m experiments.train resnet50 --model.pretrained torchvision --data.dataset imagefolder --data-dir photos
    python -m experiments.train mini-resnet18 --optimizer adamw --optimizer.weight-decay 0.05
    python -m experiments.train --import my_recipes my_resnet

The first word names a recipe: a network's published one, for ImageNet (or CIFAR-10, if it was made for that), or, with
`mini-` in front, its one for the embedded data set. Everything in it can be overridden; `... resnet50 --help` explains
every field. Started again with the same arguments, a run continues from its last checkpoint.

`--optimizer` takes another update rule, sgd, rmsprop or adamw, with its own defaults. `--import` imports a module of
yours; each of its variables that is a `Recipe` can be trained by its name.

On several hosts, start the same command on each with `--distributed`; see `experiments/launch/`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import jax
import tyro

from cnn_evolution.evaluation.results import summary
from cnn_evolution.recipes import Recipe, named_recipes, train
from cnn_evolution.recipes.config import OPTIMIZERS
from cnn_evolution.training import RunOptions
from experiments import command_line
from experiments.compilation_cache import Compiling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling):
    """A training run.

    Attributes:
      recipe: What decides the outcome.
      options: What does not.
      run_dir: Where checkpoints and results go.
      data_dir: Where prepared data sets lie; None for the default place.
      distributed: Take part in a run over several hosts, found through the cluster's environment (SLURM, Cloud TPU).
    """

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    options: Annotated[RunOptions, tyro.conf.arg(name="")]
    run_dir: Path
    data_dir: Path | None = None
    distributed: bool = False


def main() -> None:
    recipes, rest = chosen_recipes(sys.argv[1:])
    arguments = tyro.extras.overridable_config_cli(
        {
            name: (
                f"{recipe.model.name} on {recipe.data.dataset}, {recipe.epochs:g} epochs",
                Arguments(recipe=recipe, options=RunOptions(), run_dir=Path("runs") / name),
            )
            for name, recipe in recipes.items()
        },
        args=rest,
        prog="python -m experiments.train",
        description=__doc__,
    )
    arguments.keep_programs()
    if arguments.distributed:
        jax.distributed.initialize()
    result = train(arguments.recipe, arguments.run_dir, arguments.options, data_dir=arguments.data_dir)
    print(f"{result.model}: {summary(result)}")


def chosen_recipes(arguments: Sequence[str]) -> tuple[dict[str, Recipe], list[str]]:
    """The recipes by name, with those that are imported and by the update rule that is asked for; other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--import", dest="modules", action="append", default=[])
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS))
    try:
        chosen, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from error
    recipes = named_recipes(chosen.modules)
    if chosen.optimizer:
        rule = OPTIMIZERS[chosen.optimizer]()
        recipes = {name: dataclasses.replace(recipe, optimizer=rule) for name, recipe in recipes.items()}
    return recipes, rest


if __name__ == "__main__":
    command_line.run(main)
