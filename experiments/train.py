"""Trains one network by its recipe, and evaluates it.

    python -m experiments.train resnet50 --data-dir /data/tensorflow_datasets
    python -m experiments.train alexnet --run-dir runs/alexnet-fast --optimizer.learning-rate 0.02 --epochs 60
    python -m experiments.train mini-resnet18
    python -m experiments.train resnet50 --model.pretrained torchvision --data.dataset imagefolder --data-dir photos
    python -m experiments.train resnet50 --model.pretrained torchvision --freeze "stem,stage[12]" ...
    python -m experiments.train mini-resnet18 --optimizer adamw --optimizer.weight-decay 0.05
    python -m experiments.train --import my_recipes my_resnet
    python -m experiments.train --import my_networks mini-resnet18 --model.name my_network
    python -m experiments.train resnet50 --data-dir /data/tensorflow_datasets --dry-run

The first word names a recipe: a network's published one, for ImageNet (or CIFAR-10, if it was made for that), or, with
`mini-` in front, its one for the embedded data set. Everything in it can be overridden; `... resnet50 --help` explains
every field. Started again with the same arguments, a run continues from its last checkpoint.

With `--model.pretrained` a run starts from trained weights, of a zoo, a file or another run, and the recipe is one of
fine-tuning (`cnn_evolution/recipes/tuning.py`), for ImageNet's networks and those of the embedded data set alike:
another rate and schedule, few epochs, light augmentation. `--freeze` keeps some of the weights.

`--batch-size` scales the learning rate of SGD and RMSProp in proportion, unless the rate or another rule is given, and
`--epochs` the epochs at which the rate falls in steps; both are said.

`--optimizer` takes another update rule, sgd, rmsprop or adamw, with its own defaults. `--import` imports a module of
yours: each of its variables that is a `Recipe` can be trained by its name, and a network that it registers
(`ce.register`) by any recipe, with `--model.name`.

`--dry-run` checks everything, from the recipe's fields to the first images of both splits and the newest checkpoint,
and prints steps, cost and memory; it writes nothing.

On several hosts or GPUs, start the same command in several processes, with `--distributed` where SLURM, Open MPI or a
Cloud TPU tells each its number, and with `--coordinator`, `--num-processes` and `--process-id` elsewhere; see
`experiments/launch/`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import jax
import tyro

from cnn_evolution.analysis import cost
from cnn_evolution.evaluation.results import summary
from cnn_evolution.recipes import Recipe, named_recipes, train
from cnn_evolution.recipes.config import OPTIMIZERS
from cnn_evolution.recipes.runs import task_of
from cnn_evolution.recipes.scaling import remarks, with_batch_size, with_epochs
from cnn_evolution.training import RunOptions
from cnn_evolution.training.plan import CHECKPOINTS, plan
from experiments import command_line
from experiments.compilation_cache import Compiling
from experiments.launching import Launching, say


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling, Launching):
    """A training run.

    Attributes:
      recipe: What decides the outcome.
      options: What does not.
      run_dir: Where checkpoints and results go.
      data_dir: Where prepared data sets lie; None for the default place.
      dry_run: Check everything and print what the run would take, instead of training.
    """

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    options: Annotated[RunOptions, tyro.conf.arg(name="")]
    run_dir: Path
    data_dir: Path | None = None
    dry_run: bool = False


def main() -> None:
    recipes, published, rest = chosen_recipes(sys.argv[1:])
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
        description=command_line.described(__doc__),
    )
    arguments.keep_programs()
    if arguments.dry_run and arguments.of_several:
        raise ValueError("--dry-run checks what one process would do; leave out --distributed or --coordinator")
    arguments.join()
    if arguments.recipe.model.pretrained is not None:
        say(fine_tuned(arguments.recipe), sys.stderr)
    name = next(word for word in rest if word in recipes)
    for remark in remarks(arguments.recipe, published[name], jax.device_count()):
        say(remark, sys.stderr)
    if arguments.dry_run:
        say("\n".join(dry_run(arguments)))
        return
    result = train(arguments.recipe, arguments.run_dir, arguments.options, data_dir=arguments.data_dir)
    say(f"{result.model}: {summary(result)}")


def dry_run(arguments: Arguments) -> list[str]:
    """What the run would take, in words.

    Raises:
      ValueError, OSError: As the run would.
    """
    recipe, run_dir = arguments.recipe, arguments.run_dir
    task = task_of(recipe, run_dir, data_dir=arguments.data_dir)
    found = plan(task, run_dir, arguments.options)
    one_image = cost(task.model, recipe.data.size)
    splits = ", ".join(f"{len(one):,} images of {one.name}, split {one.split}" for one in (task.train, task.evaluation))
    frozen = f", {found.frozen_parameters:,} of them frozen" if found.frozen_parameters else ""
    left = "is finished and evaluated" if found.evaluated else f"continues after step {found.start:,}"
    return [
        f"data: {splits}; {task.train.num_classes} classes; the first batch of each was read",
        f"network: {task.name}, {found.parameters + found.frozen_parameters:,} parameters{frozen}; {one_image.macs:,} "
        f"multiply-accumulates for an image of {recipe.data.size} pixels",
        f"training: {task.steps:,} steps of {task.batch_size} images ({recipe.epochs:g} epoch(s)) on "
        f"{jax.device_count()} device(s)",
        f"memory of each device: {gigabytes(found.step_bytes)} by XLA's analysis, of it {gigabytes(found.state_bytes)} "
        f"state and {gigabytes(found.between_bytes)} between layers",
        f"disk: up to {CHECKPOINTS} checkpoints of {gigabytes(found.state_bytes)}; {gigabytes(found.free_bytes)} free",
        f"{run_dir} {left if found.start else 'would be begun'}; nothing was written",
    ]


def fine_tuned(recipe: Recipe) -> str:
    """How a network is trained that starts from trained weights, in words."""
    rule, of = recipe.optimizer, recipe.model
    return (
        f"fine-tuning {of.name} from {of.pretrained}{f' without {recipe.freeze}' if recipe.freeze else ''}: "
        f"{recipe.epochs:g} epoch(s) of {recipe.batch_size} images a step, {type(rule).__name__} at a rate of "
        f"{rule.learning_rate:g}, {recipe.schedule.name} schedule"
    )


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.3f} GB"


def chosen_recipes(arguments: Sequence[str]) -> tuple[dict[str, Recipe], dict[str, Recipe], list[str]]:
    """The recipes by name, with what decides their defaults: imports, weights to start from, rule, batch and length.

    Returns:
      The recipes, the same before they followed batch and length, and the other arguments.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--import", dest="modules", action="append", default=[])
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS))
    parser.add_argument("--model.pretrained", dest="pretrained")
    parser.add_argument("--batch-size", "--batch_size", type=int)
    parser.add_argument("--epochs", type=float)
    try:
        chosen, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from error
    published = named_recipes(chosen.modules, pretrained=chosen.pretrained)
    if chosen.optimizer:
        # With its defaults at any batch, since they are for none of the recipe's.
        rule, size = OPTIMIZERS[chosen.optimizer](), chosen.batch_size
        published = {
            name: dataclasses.replace(recipe, optimizer=rule, batch_size=size or recipe.batch_size)
            for name, recipe in published.items()
        }
    recipes = published
    if chosen.batch_size is not None:
        recipes = {name: with_batch_size(recipe, chosen.batch_size) for name, recipe in recipes.items()}
    if chosen.epochs is not None:
        recipes = {name: with_epochs(recipe, chosen.epochs) for name, recipe in recipes.items()}
    return recipes, published, rest


if __name__ == "__main__":
    command_line.run(main)
