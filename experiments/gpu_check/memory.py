"""The device's memory in training, before and after a resume: what a checkpoint restored must be donated as well."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from cnn_evolution.training.checkpoint import load_saved, open_checkpoints
from experiments.contenders import Case
from experiments.gpu_check.jobs import Job, run
from experiments.gpu_check.program import program
from experiments.gpu_check.report import Report, Row, Sizes

STEPS = 3
SLACK = 1.02  # a peak may be so many times the other


def check(sizes: Sizes, deadline: float) -> Report:
    """One row: the peak of a fresh run and of one that goes on from its checkpoint, each in a process of its own."""
    model = sizes.networks[0] if sizes.networks else "vgg16"
    case = Case(model, sizes.pixels, sizes.batch or 64, sizes.width, "bfloat16")
    with tempfile.TemporaryDirectory() as directory:
        found: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for name in ("fresh", "resumed"):
            outcome = run([Job(name, (name,), train, (case, Path(directory), name))], deadline)[name]
            found |= outcome.values
            missing |= outcome.missing
    if missing:
        return Report("memory", [], missing)
    peaks = [found[name]["peak_bytes_in_use"] for name in ("fresh", "resumed")]
    donated = found["fresh"]["donated"] and found["resumed"]["donated"]
    known = None not in peaks
    row = Row(
        what=f"{case.model}, batch {case.batch_size}: peak memory of a run from its start, and resumed",
        result=", ".join(f"{peak / 1e9:.3f} GB" for peak in peaks) if known else "this device does not say",
        beside=f"state {found['fresh']['state_bytes'] / 1e9:.3f} GB, {'' if donated else 'NOT '}donated in both",
        holds=donated and (not known or peaks[1] <= SLACK * peaks[0]),
        numbers=found,
    )
    return Report("memory", [row], {})


def train(case: Case, directory: Path, name: str) -> Iterator[tuple[str, Any]]:
    """Some steps from drawn weights, which are then saved, or, if `name` is "resumed", from what was saved."""
    one = program(case)
    step, inputs = one.lowered.compile(), one.inputs()
    with open_checkpoints(directory, {}) as checkpoints:
        state = load_saved(directory, one.arguments[0]).state if name == "resumed" else one.state()
        donated = True
        for _ in range(STEPS):
            before = jax.tree.leaves(state)
            state, metrics = step(state, *inputs)
            jax.block_until_ready(metrics)
            donated &= all(leaf.is_deleted() for leaf in before if leaf.ndim)  # a scalar may be written and not read
        stats = jax.local_devices()[0].memory_stats() or {}
        if name == "fresh":
            checkpoints.save(state)
    yield (
        name,
        {
            "donated": donated,
            "state_bytes": sum(leaf.nbytes for leaf in jax.tree.leaves(state)),
            "bytes_in_use": stats.get("bytes_in_use"),
            "peak_bytes_in_use": stats.get("peak_bytes_in_use"),
        },
    )
