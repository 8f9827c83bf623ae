"""What stopped plain networks from growing deeper, and what let them: a few trainings, compared.

    python -m experiments.degradation                        # plain against residual networks, 20 and 56 layers
    python -m experiments.degradation --question depth       # the same at 8, 20 and 32 layers
    python -m experiments.degradation --question batchnorm   # the learning rates that VGG stands, with and without
    python -m experiments.degradation --dataset cifar10 --evaluation-split test --data-dir /data/tensorflow_datasets

residual: deeper plain networks are worse, in training error too, so it is not overfitting; residual ones are not (He et
al. 2016, section 4.2 and Fig. 6). With it, the strength of the gradient that reaches every layer.
depth: the errors after training, against depth. It shares two trainings with the question before.
batchnorm: how high a learning rate may be, and what that gains (Ioffe & Szegedy 2015, section 4.2.1).

Each takes minutes on two cores, and goes on where it was when it is interrupted. A budget so small can show an effect
or fail to; what is printed says which. Errors are printed with the interval that their number of images leaves, and two
whose intervals overlap are not told apart. Other seeds differ by more.
"""

import contextlib
import dataclasses
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import jax.numpy as jnp
import tyro

from cnn_evolution.analysis.gradients import gradient_norms
from cnn_evolution.data import train_batches
from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from cnn_evolution.pixels import normalise
from cnn_evolution.recipes import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    Recipe,
    ScheduleConfig,
    Sgd,
    load_run,
    train,
)
from cnn_evolution.recipes.config import to_dict
from cnn_evolution.training import RunOptions
from cnn_evolution.training.fit import Diverged, initial_state
from cnn_evolution.training.identity import read_identity
from cnn_evolution.training.metrics import console
from experiments import command_line
from experiments.compilation_cache import Compiling
from experiments.degradation_figures import Training, draw_depth, draw_rates, draw_residual

Question = Literal["residual", "depth", "batchnorm"]

KINDS = {"plain": "plain", "resnet": "residual"}
RESIDUAL = (20, 56)
DEPTH = (8, 20, 32)
PAPER = {"plain": "worse", "residual": "no worse"}  # the deeper network, in both errors: He et al. 2016, Fig. 6,
PAPER_DEPTH = 20  # from so many layers on
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
GRADIENT_BATCHES = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling):
    """What depth costs, and what pays for it.

    Attributes:
      question: residual (plain against residual networks), depth (their errors against it) or batchnorm (learning
        rates with and without batch normalisation).
      dataset: Name of a data set or path of a prepared one.
      train_split: Split to train on.
      evaluation_split: Split to evaluate on.
      epochs: Passes over the training split, for each training; None for the question's budget on the embedded data
        set.
      seed: Everything random derives from it.
      output_dir: Gets the pictures, their data, and a directory per training; None for runs/degradation/ and the data
        set.
      data_dir: Where prepared data sets lie; None for the default place.
    """

    question: Question = "residual"
    dataset: str = "mini_ilsvrc"
    train_split: str = "train"
    evaluation_split: str = "validation"
    epochs: float | None = None
    seed: int = 0
    output_dir: Path | None = None
    data_dir: Path | None = None


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.degradation", description=command_line.described(__doc__)
    )
    arguments.keep_programs()
    directory = arguments.output_dir or Path("runs/degradation") / Path(arguments.dataset).name
    answer = {"residual": residual, "depth": depth, "batchnorm": batchnorm}[arguments.question]
    for line in answer(arguments, directory):
        print(line)
    console.print(f"the picture: {directory / arguments.question}.png", soft_wrap=True)


def residual(arguments: Arguments, directory: Path) -> list[str]:
    """Plain against residual networks: curves of the errors, and gradients layer by layer."""
    trainings = of_depths(arguments, directory, RESIDUAL)
    gradients = {training.name: gradients_of(training, directory, arguments) for training in trainings.values()}
    draw_residual(list(trainings.values()), gradients, directory / "residual")
    return [*map(error_line, trainings.values()), *verdicts_on_depth(trainings)]


def depth(arguments: Arguments, directory: Path) -> list[str]:
    """Errors after training, against depth."""
    trainings = of_depths(arguments, directory, DEPTH)
    draw_depth([(depth, training) for (_, depth), training in trainings.items()], directory / "depth")
    return [*map(error_line, trainings.values()), *verdicts_on_depth(trainings)]


def batchnorm(arguments: Arguments, directory: Path) -> list[str]:
    """The highest learning rate at which VGG-11 trains, with and without batch normalisation."""
    names = {"vgg11": "VGG-11", "vgg11_bn": "VGG-11 + BN"}
    sweeps = {
        label: [
            trained(arguments, directory, recipe_of_rate(arguments, name, rate), f"{name}_{rate:g}", may_diverge=True)
            for rate in RATES
        ]
        for name, label in names.items()
    }
    draw_rates(sweeps, RATES, directory / "batchnorm")
    lines = []
    for label, trainings in sweeps.items():
        for rate, training in zip(RATES, trainings, strict=True):
            outcome = "trains" if training.learns else "does not train"
            lines.append(f"{label:12} learning rate {rate:5g}: {outcome}, loss {training.final_loss:.2f}")
    return [*lines, verdict_on_rates(sweeps)]


def of_depths(arguments: Arguments, directory: Path, depths: Sequence[int]) -> dict[tuple[str, int], Training]:
    """A training for each kind and depth."""
    return {
        (kind, depth): trained(arguments, directory, recipe_of_depth(arguments, kind, depth), f"cifar_{kind}{depth}")
        for kind in KINDS
        for depth in depths
    }


def recipe_of_depth(arguments: Arguments, kind: str, depth: int) -> Recipe:
    """He et al. 2016, section 4.2, but for the budget.

    Three stages of n blocks have 6n + 2 layers. A short warm-up and a cosine take the place of two steps, and the batch
    is 64 images instead of 128. Images are resized to 36 pixels, of which training sees a random 32 (the paper pads
    CIFAR's 32 by 4 on each side).
    """
    return Recipe(
        model=ModelConfig(name=f"cifar_{kind}20", depths=((depth - 2) // 6,) * 3),
        data=data_of(arguments),
        augment=AugmentConfig(crop="fixed_scale", resize=36),
        optimizer=Sgd(learning_rate=0.1, weight_decay=1e-4),
        schedule=ScheduleConfig(name="cosine", warmup_epochs=0.05),
        epochs=1.0 if arguments.epochs is None else arguments.epochs,
        batch_size=64,
        seed=arguments.seed,
    )


def recipe_of_rate(arguments: Arguments, name: str, learning_rate: float) -> Recipe:
    """A narrow VGG from He's initialisation at a constant learning rate.

    Without batch normalisation it takes more than an epoch to leave the loss of equal chances.
    """
    return Recipe(
        model=ModelConfig(name=name, width=0.25, dropout=0.0, initialisation="he"),
        data=data_of(arguments),
        augment=AugmentConfig(crop="fixed_scale", resize=36),
        optimizer=Sgd(learning_rate=learning_rate, weight_decay=5e-4),
        schedule=ScheduleConfig(name="constant"),
        epochs=2.5 if arguments.epochs is None else arguments.epochs,
        batch_size=32,
        seed=arguments.seed,
    )


def data_of(arguments: Arguments) -> DataConfig:
    return DataConfig(
        dataset=arguments.dataset,
        train_split=arguments.train_split,
        evaluation_split=arguments.evaluation_split,
        size=32,
        evaluation_resize=36,
    )


def trained(arguments: Arguments, directory: Path, recipe: Recipe, name: str, *, may_diverge: bool = False) -> Training:
    """Trains, or finds trained, and reads what the run wrote; where it may diverge, that is a finding."""
    if not (may_diverge and has_diverged(recipe, directory / name)):
        with contextlib.suppress(Diverged) if may_diverge else contextlib.nullcontext():
            train(recipe, directory / name, options_of(recipe), data_dir=arguments.data_dir)
    results = {result.config["step"]: result.top1_error for result in read_results(directory / name)}
    data = read_identity(directory / name)["data"]
    return Training(
        name=name,
        metrics=tuple(
            {key: math.nan if value is None else value for key, value in line.items()}
            for line in read_lines(directory / name / "metrics.jsonl")
        ),
        validation_errors=tuple(sorted(results.items())),
        classes=len(data["classes"]),
        batch_size=recipe.batch_size,
        validation_images=data["evaluation"]["images"],
    )


def has_diverged(recipe: Recipe, run_dir: Path) -> bool:
    """Whether a run of this recipe ended in numbers that are none, which its metrics hold as null."""
    lines = read_lines(run_dir / "metrics.jsonl")
    same = bool(lines) and read_identity(run_dir)["task"] == json.loads(json.dumps(to_dict(recipe)))
    return same and None in lines[-1].values()


def options_of(recipe: Recipe) -> RunOptions:
    # A little more than a fifth: rounded to steps, the last evaluation would else come just before that at the end.
    fifth = 1.01 * recipe.epochs / 5
    return RunOptions(log_every=10, evaluate_every=fifth, checkpoint_every=recipe.epochs)


def gradients_of(training: Training, directory: Path, arguments: Arguments) -> dict[str, Mapping[str, float]]:
    """Gradient norms by layer, before the first step and after the last, on the same batches of the training split."""
    task, state = load_run(directory / training.name, data_dir=arguments.data_dir)
    stream = train_batches(task.train, batch_size=task.batch_size, crop=task.crop, seed=1)
    batches = [
        (normalise(jnp.asarray(batch["image"]), *task.pixels), jnp.asarray(batch["label"]))
        for batch in itertools.islice(stream, GRADIENT_BATCHES)
    ]
    return {
        moment: gradient_norms(task.model, {"params": state.params, **state.model_state}, batches)
        for moment, state in (("initialisation", initial_state(task)), ("end", state))
    }


def error_line(training: Training) -> str:
    errors = [
        f"{split} {error:6.2f}% ({low:.2f} to {high:.2f})"
        for split, error, (low, high) in (
            ("training", training.training_error, training.training_interval),
            ("validation", training.validation_error, training.validation_interval),
        )
    ]
    return f"{training.name:16} top-1 error: {', '.join(errors)}"


def verdicts_on_depth(trainings: Mapping[tuple[str, int], Training]) -> list[str]:
    """Each network against the next shallower one of its kind, in words."""
    return [
        verdict_on_depth(KINDS[kind], trainings[kind, shallow], trainings[kind, deep], in_paper=shallow >= PAPER_DEPTH)
        for (kind, shallow), (other, deep) in itertools.pairwise(trainings)
        if kind == other
    ]


def verdict_on_depth(kind: str, shallow: Training, deep: Training, *, in_paper: bool) -> str:
    """Where the deeper of two networks is worse, in words, and if the paper compares them, whether it found that.

    Two errors whose intervals overlap are not told apart.
    """
    findings = [
        finding(shallow.training_interval, deep.training_interval),
        finding(shallow.validation_interval, deep.validation_interval),
    ]
    gaps = (deep.training_error - shallow.training_error, deep.validation_error - shallow.validation_error)
    words = " and ".join(
        f"{found} in {split} ({gap:+.2f} points)"
        for found, split, gap in zip(findings, ("training", "validation"), gaps, strict=True)
    )
    verdict = f"{kind}: {deep.name} is {words}, compared with {shallow.name}"
    shown = set(findings) == {"worse"} if PAPER[kind] == "worse" else "worse" not in findings
    if shown or not in_paper:
        return verdict
    return f"{verdict}; this budget does not show the paper's effect, that it is {PAPER[kind]}"


def finding(shallow: tuple[float, float], deep: tuple[float, float]) -> str:
    """What the intervals of two errors tell of the second."""
    return "worse" if deep[0] > shallow[1] else "better" if deep[1] < shallow[0] else "not told apart"


def verdict_on_rates(sweeps: Mapping[str, Sequence[Training]]) -> str:
    """The highest learning rates at which networks train, in words."""
    highest = {
        label: max((rate for rate, training in zip(RATES, trainings, strict=True) if training.learns), default=None)
        for label, trainings in sweeps.items()
    }
    rates = ", ".join(
        f"{label} trains up to {rate:g}" if rate else f"{label} trains at none" for label, rate in highest.items()
    )
    plain, normalised = (rate or 0.0 for rate in highest.values())
    if normalised == plain:
        return f"{rates}: this budget shows no difference"
    return f"{rates}, in one run each: batch normalisation stands {'higher' if normalised > plain else 'lower'} rates"


if __name__ == "__main__":
    command_line.run(main)
