"""The smallest error-rate curve from end to end, with the real reader: what trains, how fast, and how long it waits."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from experiments.gpu_check.jobs import Job, run
from experiments.gpu_check.report import Report, Row, Sizes


def check(sizes: Sizes, deadline: float) -> Report:
    """A row a network, and one for the whole."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = run([Job("smoke", ("curve",), curve, (Path(directory), sizes.networks))], deadline)["smoke"]
        rows = list(_rows(Path(directory)))
    if "curve" in outcome.values:
        seconds = outcome.values["curve"]
        rows.append(Row(what="the smoke curve", result=f"{seconds:.0f} s", holds=True, numbers={"seconds": seconds}))
    return Report("smoke", rows, outcome.missing)


def _rows(directory: Path) -> Iterator[Row]:
    for run_dir in sorted(path.parent for path in directory.glob("seed0/*/metrics.jsonl")):
        last, results = read_lines(run_dir / "metrics.jsonl")[-1], read_results(run_dir)
        yield Row(
            what=f"{run_dir.name} on mini_ilsvrc/tiny: images/s with the real reader",
            result=f"{last['images_per_second']:,.0f}",
            beside=f"{last['waiting_for_input']:.0%} of the time spent waiting for input",
            numbers=last | {"top5_error": results[-1].top5_error if results else None},
        )


def curve(directory: Path, networks: tuple[str, ...] | None) -> Iterator[tuple[str, Any]]:
    """The command that a user would give.

    Raises:
      RuntimeError: it fails; with the end of what it said.
    """
    began = time.monotonic()
    models = ["--models", *networks] if networks else []
    command = [
        sys.executable,
        "-m",
        "experiments.ilsvrc_curve",
        "--preset",
        "smoke",
        "--output-dir",
        str(directory),
        *models,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not (directory / "curve.png").exists():
        raise RuntimeError("the curve failed: " + " / ".join((done.stdout + done.stderr).splitlines()[-3:]))
    yield "curve", time.monotonic() - began
