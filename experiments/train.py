"""Trains one network by its recipe, and evaluates it.

    python -m experiments.train resnet50 --data-dir /data/tensorflow_datasets
    python -m experiments.train alexnet --run-dir runs/alexnet-fast --optimizer.learning-rate 0.02 --epochs 60
    python -m experiments.train mini-resnet18
    python -m experiments.train resnet50 --model.pretrained torchvision --data.dataset imagefolder --data-dir photos

The first word names a recipe: a network's published one, for ImageNet (or CIFAR-10, if it was made for that), or, with
`mini-` in front, its one for the embedded data set. Everything in it can be overridden; `... resnet50 --help` explains
every field. Started again with the same arguments, a run continues from its last checkpoint.

On several hosts, start the same command on each with `--distributed`; see `experiments/launch/`.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import tyro

from cnn_evolution.evaluation.results import summary
from cnn_evolution.training.loop import train
from cnn_evolution.training.mini_recipes import mini_recipes
from cnn_evolution.training.published_recipes import published_recipes
from cnn_evolution.training.recipe import Recipe
from cnn_evolution.training.run import RunOptions
from experiments import command_line
from experiments.compilation_cache import Compiling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling):
    """A training run.

    Attributes:
      recipe: What decides the outcome.
      options: What does not.
      run_dir: Where checkpoints and results go.
      distributed: Take part in a run over several hosts, found through the cluster's environment (SLURM, Cloud TPU).
    """

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    options: Annotated[RunOptions, tyro.conf.arg(name="")]
    run_dir: Path
    distributed: bool = False


def main() -> None:
    recipes = published_recipes() | {f"mini-{name}": recipe for name, recipe in mini_recipes().items()}
    arguments = tyro.extras.overridable_config_cli(
        {
            name: (
                f"{recipe.model.name} on {recipe.data.dataset}, {recipe.epochs:g} epochs",
                Arguments(recipe=recipe, options=RunOptions(), run_dir=Path("runs") / name),
            )
            for name, recipe in recipes.items()
        },
        prog="python -m experiments.train",
        description=__doc__,
    )
    arguments.keep_programs()
    if arguments.distributed:
        jax.distributed.initialize()
    result = train(arguments.recipe, arguments.run_dir, arguments.options)
    print(f"{result.model}: {summary(result)}")


if __name__ == "__main__":
    command_line.run(main)
