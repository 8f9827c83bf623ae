"""Evaluates a trained run, or several as an ensemble.

    python -m experiments.evaluate runs/mini-resnet18
    python -m experiments.evaluate runs/mini-resnet18 runs/mini-vgg11_bn --split train
    python -m experiments.evaluate runs/mini-resnet18 --checkpoint best --predictions resnet18.jsonl
    python -m experiments.evaluate runs/my_network --import my_networks

Every image of the split counts once. The result is appended to `results.jsonl` in the first run's directory. Published
weights are evaluated by `experiments.evaluate_pretrained`; two files of predictions are compared by
`experiments.compare`.

In several processes it is started as `experiments.train` is; each reads its share of the images, so none has all
predictions.
"""

import dataclasses
from pathlib import Path
from typing import Literal

import jax
import tyro

from cnn_evolution.evaluation.errors import Answered
from cnn_evolution.evaluation.intervals import LEVEL, error_interval
from cnn_evolution.evaluation.results import Result, append_result, summary
from cnn_evolution.recipes import evaluate_runs
from experiments import command_line
from experiments.evaluating import Storing
from experiments.importing import Importing
from experiments.launching import Launching, say


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Importing, Launching, Storing):
    """An evaluation.

    Attributes:
      runs: Directories of trained runs; the probabilities of several are averaged.
      split: Split to evaluate on; None for the evaluation split of the first run's recipe.
      checkpoint: The step of a checkpoint that is kept; None for the newest, best for that with the lowest top-1 error.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    split: str | None = None
    checkpoint: int | Literal["best"] | None = None


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.evaluate", description=command_line.described(__doc__))
    arguments.keep_programs()
    arguments.join()
    if arguments.predictions is not None and jax.process_count() > 1:
        raise ValueError(f"--predictions needs all images in one process, and there are {jax.process_count()}")
    result = arguments.stored(lambda answered: evaluated(arguments, answered))
    say(f"{result.model}: {summary(result)}")
    low, high = error_interval(result.top1_error, result.images)
    say(f"other images of the kind: top-1 error {low:.2f} to {high:.2f}% ({LEVEL:.0%} interval)")


def evaluated(arguments: Arguments, answered: Answered | None) -> Result:
    """The result, once it is in `results.jsonl`."""
    result = evaluate_runs(
        arguments.runs,
        split=arguments.split,
        which=arguments.checkpoint,
        data_dir=arguments.data_dir,
        answered=answered,
        **arguments.reading(),
    )
    if jax.process_index() == 0:
        append_result(arguments.runs[0], result)
    return result


if __name__ == "__main__":
    command_line.run(main)
