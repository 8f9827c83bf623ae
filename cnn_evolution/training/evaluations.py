"""The evaluations of a run, as its `results.jsonl` has them, and which of its checkpoints was best in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cnn_evolution.evaluation.results import Result, read_results
from cnn_evolution.parallel import decided_by_first
from cnn_evolution.training.checkpoint import steps_of

Which = int | Literal["best"] | None
"""A checkpoint of a run: that of a step, that with the lowest top-1 error, or the newest."""


def evaluations(run_dir: Path, run: Mapping[str, Any]) -> dict[int, Result]:
    """By step, the results of the run with this identity."""
    split = run["data"]["evaluation"]["split"]
    return {
        result.config["step"]: result
        for result in read_results(run_dir)
        if result.config == {"step": result.config.get("step"), **run} and result.split == split
    }


def best_steps(run_dir: Path, run: Mapping[str, Any]) -> list[int]:
    """The steps whose checkpoints are kept and were evaluated, by their top-1 error; of equal ones the first first."""
    kept, results = steps_of(run_dir / "checkpoints"), evaluations(run_dir, run)
    return sorted((step for step in results if step in kept), key=lambda step: (results[step].top1_error, step))


def chosen_step(which: Which, run_dir: Path, run: Mapping[str, Any]) -> int | None:
    """The step that is meant; None for the newest.

    Raises:
      FileNotFoundError: The best is asked for, and none was evaluated.
    """
    if which != "best":
        return which
    if not (best := decided_by_first(lambda: best_steps(run_dir, run))):
        raise FileNotFoundError(f"no checkpoint in {run_dir} was evaluated, so there is no best; choose a step")
    return best[0]
