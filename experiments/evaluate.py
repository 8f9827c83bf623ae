"""Evaluates a trained run, or several as an ensemble.

    python -m experiments.evaluate runs/mini-resnet18
    python -m experiments.evaluate runs/mini-resnet18 runs/mini-vgg11_bn --split train

Every image of the split counts once. The result is appended to `results.jsonl` in the first run's directory.
"""

import dataclasses
from pathlib import Path

import tyro

from cnn_evolution.data import open_source
from cnn_evolution.evaluation.errors import evaluate
from cnn_evolution.evaluation.results import append_result, make_result, summary
from cnn_evolution.parallel import check_batch_size
from cnn_evolution.training.run import RunOptions, load_run
from experiments import command_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """An evaluation.

    Attributes:
      runs: Directories of trained runs; the probabilities of several are averaged.
      split: Split to evaluate on; None for the evaluation split of the first run's recipe.
      data_dir: Where prepared data sets lie; None for the default place.
      batch_size: Images per step over all devices.
      workers: Processes that decode images; 0 decodes in threads of this process.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    split: str | None = None
    data_dir: Path | None = None
    batch_size: int = 100
    workers: int = 0


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.evaluate", description=__doc__)
    if not arguments.runs:
        raise ValueError("there is nothing to evaluate; expected the directory of at least one run")
    options = RunOptions(data_dir=arguments.data_dir, workers=arguments.workers)
    check_batch_size(arguments.batch_size)
    trained = [load_run(directory, options) for directory in arguments.runs]
    first, _ = trained[0]
    data = first.recipe.data
    if other := next((run for run, _ in trained if run.recipe.data.dataset != data.dataset), None):
        raise ValueError(
            f"an ensemble needs runs on one data set; these are on {data.dataset!r} and {other.recipe.data.dataset!r}"
        )
    source = open_source(data.dataset, arguments.split or data.evaluation_split, data_dir=arguments.data_dir)
    errors = evaluate(
        [run.member(state) for run, state in trained],
        source,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
    )
    result = make_result(
        "+".join(run.recipe.model.name for run, _ in trained),
        first.protocol,
        source,
        errors,
        {"runs": [{"step": int(state.step), "recipe": dataclasses.asdict(run.recipe)} for run, state in trained]},
    )
    append_result(arguments.runs[0], result)
    print(f"{result.model}: {summary(result)}")


if __name__ == "__main__":
    command_line.run(main)
