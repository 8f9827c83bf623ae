"""The ILSVRC error-rate curve: one network a generation, trained, evaluated and drawn beside the published errors.

    python -m experiments.ilsvrc_curve                       # the embedded data set, minutes on two cores
    python -m experiments.ilsvrc_curve --seeds 3             # mean and range over three seeds
    python -m experiments.ilsvrc_curve --preset imagenet --data-dir /data/tensorflow_datasets

Every network of a preset trains for the same number of epochs, by `recipes/mini.py` (the preset imagenet: by
its published recipe). Finished networks are not trained again, and an interrupted one continues: the same command goes
on where it was. The curve is drawn again after every network.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import tyro

from cnn_evolution.evaluation.results import Result, append_result, read_results, summary
from cnn_evolution.recipes import Recipe, evaluate_runs, mini_recipe, published_recipe, smoke_recipe, train
from cnn_evolution.training import RunOptions
from cnn_evolution.training.metrics import console
from experiments import command_line
from experiments.compilation_cache import Compiling
from experiments.curve_figure import MeasuredError, draw_curve


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation:
    """A point of the curve.

    Attributes:
      year: Year of the challenge.
      label: Name in the picture.
      model: Name in the catalogue; None for the ensemble of the networks before it.
      apart: A published form that is not expected to train in the preset's budget; it is shown apart from its
        batch-normalised form and takes no part in the ensemble.
    """

    year: int
    label: str
    model: str | None
    apart: bool = False


_SMALL = (
    Generation(year=2012, label="AlexNet", model="alexnet"),
    Generation(year=2013, label="ZFNet", model="zfnet"),
    Generation(year=2014, label="VGG-11", model="vgg11", apart=True),
    Generation(year=2014, label="VGG-11 + BN", model="vgg11_bn"),
    Generation(year=2014, label="GoogLeNet", model="googlenet", apart=True),
    Generation(year=2014, label="GoogLeNet + BN", model="googlenet_bn"),
    Generation(year=2015, label="ResNet-18", model="resnet18"),
    Generation(year=2016, label="Ensemble", model=None),
    Generation(year=2017, label="SE-ResNet-18", model="se_resnet18"),
)
# One of every kind, so that the check takes less than a minute: GoogLeNet alone compiles for twenty seconds.
_SMOKE = tuple(g for g in _SMALL if g.model in (None, "alexnet", "vgg11", "vgg11_bn", "resnet18", "se_resnet18"))
_FULL = (
    Generation(year=2012, label="AlexNet", model="alexnet"),
    Generation(year=2013, label="ZFNet", model="zfnet"),
    Generation(year=2014, label="VGG-16", model="vgg16"),
    Generation(year=2014, label="GoogLeNet", model="googlenet"),
    Generation(year=2015, label="ResNet-152", model="resnet152_v1"),
    Generation(year=2016, label="Ensemble", model=None),
    Generation(year=2017, label="SE-ResNet-50", model="se_resnet50"),
)
_PRESETS = {
    "smoke": (_SMOKE, smoke_recipe),
    "mini": (_SMALL, mini_recipe),
    "imagenet": (_FULL, published_recipe),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling):
    """The error-rate curve.

    Attributes:
      preset: smoke (a check in under a minute), mini (the embedded data set) or imagenet (full networks by their
        published recipes; needs the data set and accelerators).
      models: Only these networks of the preset, and the ensemble of those of them that came before it, if several did;
        none for all.
      seeds: Runs of every network, with seeds 0, 1, ...; the picture shows their mean and range.
      output_dir: Gets the picture, its data and a directory per run; None for runs/ilsvrc_curve/ and the preset.
      epochs: Overrides the number of epochs of every network; None keeps the preset's.
      batch_size: Overrides the batch size of every network; None keeps the preset's.
      data_dir: Where prepared data sets lie; None for the default place.
      run: What does not change the outcome.
    """

    preset: Literal["smoke", "mini", "imagenet"] = "mini"
    models: tuple[str, ...] = ()
    seeds: int = 1
    output_dir: Path | None = None
    epochs: float | None = None
    batch_size: int | None = None
    data_dir: Path | None = None
    run: tyro.conf.OmitArgPrefixes[RunOptions] = dataclasses.field(default_factory=RunOptions)


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.ilsvrc_curve", description=command_line.described(__doc__)
    )
    arguments.keep_programs()
    if arguments.seeds < 1:
        raise ValueError(f"--seeds is {arguments.seeds}; expected at least 1")
    began = time.perf_counter()
    directory = arguments.output_dir or Path("runs/ilsvrc_curve") / arguments.preset
    generations = chosen(arguments)
    measured: dict[Generation, list[float]] = {generation: [] for generation in generations}
    for seed in range(arguments.seeds):
        for generation, error in measure(arguments, directory, seed):
            measured[generation].append(error)
            draw(arguments, directory, measured)
    console.print(f"the curve: {directory / 'curve.png'} ({time.perf_counter() - began:,.0f} s)", soft_wrap=True)
    for generation, errors in measured.items():
        span = f"   {min(errors):.2f} to {max(errors):.2f}" if len(errors) > 1 else ""
        print(f"{generation.year}  {generation.label:16}  top-5 error {sum(errors) / len(errors):6.2f}%{span}")


def chosen(arguments: Arguments) -> tuple[Generation, ...]:
    """The points of the curve that were asked for.

    Raises:
      ValueError: the preset has no network of such a name.
    """
    generations, _ = _PRESETS[arguments.preset]
    names = [generation.model for generation in generations if generation.model]
    if unknown := [name for name in arguments.models if name not in names]:
        raise ValueError(f"{unknown[0]!r} is no network of the preset {arguments.preset}; it has {', '.join(names)}")
    if not arguments.models:
        return generations
    before = itertools.takewhile(lambda g: g.model is not None, generations)
    ensemble = sum(g.model in arguments.models and not g.apart for g in before) > 1
    return tuple(g for g in generations if g.model in arguments.models or (g.model is None and ensemble))


def recipe_of(arguments: Arguments, model: str, seed: int) -> Recipe:
    """The preset's recipe for a network, with what the command line overrides."""
    _, recipe_for = _PRESETS[arguments.preset]
    recipe = dataclasses.replace(recipe_for(model), seed=seed)
    if arguments.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=arguments.epochs)
    if arguments.batch_size is not None:
        recipe = dataclasses.replace(recipe, batch_size=arguments.batch_size)
    return recipe


def measure(arguments: Arguments, directory: Path, seed: int) -> Iterator[tuple[Generation, float]]:
    """Trains (or finds trained) every generation with one seed and yields its top-5 error in percent."""
    members: dict[Path, Result] = {}
    for generation in chosen(arguments):
        if generation.model is None:
            yield generation, ensemble_error(members, directory / f"seed{seed}" / "ensemble", arguments)
            continue
        run_dir = directory / f"seed{seed}" / generation.model
        recipe = recipe_of(arguments, generation.model, seed)
        result = train(recipe, run_dir, arguments.run, data_dir=arguments.data_dir)
        if not generation.apart:
            members[run_dir] = result
        yield generation, result.top5_error


def ensemble_error(members: Mapping[Path, Result], directory: Path, arguments: Arguments) -> float:
    """Top-5 error in percent of the members' averaged probabilities; kept in `directory`, so it is computed once."""
    config = {"runs": [result.config for result in members.values()]}
    for kept in read_results(directory):
        if kept.config == config:
            return kept.top5_error
    result = evaluate_runs(list(members), workers=arguments.run.workers, data_dir=arguments.data_dir)
    append_result(directory, result)
    console.print(f"{result.model}: {summary(result)}", soft_wrap=True)
    return result.top5_error


def draw(arguments: Arguments, directory: Path, measured: dict[Generation, list[float]]) -> None:
    """Draws what has been measured so far."""
    points = [
        MeasuredError(
            label=g.label,
            year=g.year,
            model=g.model or "ensemble",
            errors=tuple(errors),
            apart=g.apart,
            ensemble=g.model is None,
        )
        for g, errors in measured.items()
        if errors
    ]
    recipe = recipe_of(arguments, next(g.model for g in chosen(arguments) if g.model), 0)
    draw_curve(points, directory / "curve", dataset=recipe.data.dataset, protocol=protocol(arguments, recipe))


def protocol(arguments: Arguments, recipe: Recipe) -> str:
    """How the errors were measured, in words; `recipe` is that of any of the networks."""
    runs = "one run each" if arguments.seeds == 1 else f"mean and range of {arguments.seeds} seeds"
    epochs = f"{recipe.epochs:g} epoch{'' if recipe.epochs == 1 else 's'} of training for each"
    if arguments.preset != "imagenet":
        return f"narrow networks, {epochs}, {runs}; top-5 error on one centre crop of {recipe.data.size} px"
    budget = "each trained by its published recipe" if arguments.epochs is None else epochs
    return f"full networks, {budget}, {runs}; top-5 error on one centre crop"


if __name__ == "__main__":
    command_line.run(main)
