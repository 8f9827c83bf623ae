"""Evaluates a trained run, or several as an ensemble.

    python -m experiments.evaluate runs/mini-resnet18
    python -m experiments.evaluate runs/mini-resnet18 runs/mini-vgg11_bn --split train
    python -m experiments.evaluate runs/mini-resnet18 --checkpoint best --predictions resnet18.jsonl

Every image of the split counts once. The result is appended to `results.jsonl` in the first run's directory. Published
weights are evaluated by `experiments.evaluate_pretrained`; two files of predictions are compared by
`experiments.compare`.
"""

import dataclasses
from pathlib import Path
from typing import Literal

import tyro

from cnn_evolution.evaluation.intervals import LEVEL, error_interval
from cnn_evolution.evaluation.predictions import Answer, Predictions, collecting, write_predictions
from cnn_evolution.evaluation.results import append_result, summary
from cnn_evolution.recipes import evaluate_runs
from experiments import command_line
from experiments.evaluating import Evaluating


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Evaluating):
    """An evaluation.

    Attributes:
      runs: Directories of trained runs; the probabilities of several are averaged.
      split: Split to evaluate on; None for the evaluation split of the first run's recipe.
      checkpoint: The step of a checkpoint that is kept; None for the newest, best for that with the lowest top-1 error.
      predictions: A file that gets each image's id, label, five most probable classes and their probabilities.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    split: str | None = None
    checkpoint: int | Literal["best"] | None = None
    predictions: Path | None = None


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.evaluate", description=__doc__)
    arguments.keep_programs()
    if arguments.predictions:
        arguments.predictions.parent.mkdir(parents=True, exist_ok=True)
    answers: dict[str, Answer] = {}
    result = evaluate_runs(
        arguments.runs,
        split=arguments.split,
        which=arguments.checkpoint,
        data_dir=arguments.data_dir,
        answered=collecting(answers) if arguments.predictions else None,
        **arguments.reading(),
    )
    append_result(arguments.runs[0], result)
    if arguments.predictions:
        write_predictions(arguments.predictions, Predictions(result, answers))
    print(f"{result.model}: {summary(result)}")
    low, high = error_interval(result.top1_error, result.images)
    print(f"other images of the kind: top-1 error {low:.2f} to {high:.2f}% ({LEVEL:.0%} interval)")


if __name__ == "__main__":
    command_line.run(main)
