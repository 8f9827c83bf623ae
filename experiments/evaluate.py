"""Evaluates a trained run, or several as an ensemble.

    python -m experiments.evaluate runs/mini-resnet18
    python -m experiments.evaluate runs/mini-resnet18 runs/mini-vgg11_bn --split train

Every image of the split counts once. The result is appended to `results.jsonl` in the first run's directory. Published
weights are evaluated by `experiments.evaluate_pretrained`.
"""

import dataclasses
from pathlib import Path

import tyro

from cnn_evolution.evaluation.results import append_result, summary
from cnn_evolution.recipes import evaluate_runs
from experiments import command_line
from experiments.compilation_cache import Compiling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments(Compiling):
    """An evaluation.

    Attributes:
      runs: Directories of trained runs; the probabilities of several are averaged.
      split: Split to evaluate on; None for the evaluation split of the first run's recipe.
      data_dir: Where prepared data sets lie; None for the default place.
      batch_size: Images per step over all devices.
      workers: Processes that decode images; 0 decodes in threads of this process.
      max_corrupt: Images that may be left out because they cannot be read.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    split: str | None = None
    data_dir: Path | None = None
    batch_size: int = 100
    workers: int = 0
    max_corrupt: int = 0


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.evaluate", description=__doc__)
    arguments.keep_programs()
    result = evaluate_runs(
        arguments.runs,
        split=arguments.split,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
        max_corrupt=arguments.max_corrupt,
        data_dir=arguments.data_dir,
    )
    append_result(arguments.runs[0], result)
    print(f"{result.model}: {summary(result)}")


if __name__ == "__main__":
    command_line.run(main)
