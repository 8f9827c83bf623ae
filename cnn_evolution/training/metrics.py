"""Where a run writes what happens: machine-readable lines, TensorBoard, and the terminal."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from tensorboardX import SummaryWriter

from cnn_evolution.jsonl import append_line

T = TypeVar("T")
console = Console(stderr=True, highlight=False)


def peak_memory() -> dict[str, int]:
    """The most bytes that were in use on the first local device, as `device_bytes`; nothing where it does not say."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return {"device_bytes": stats["peak_bytes_in_use"]} if "peak_bytes_in_use" in stats else {}


def traced(directory: Path, function: Callable[..., T], *arguments: Any) -> T:
    """What a function computes, and a trace of it for XProf (`*.xplane.pb`) and Perfetto (`perfetto_trace.json.gz`)."""
    jax.block_until_ready(arguments)
    with jax.profiler.trace(str(directory), create_perfetto_trace=True):
        return jax.block_until_ready(function(*arguments))


class MetricsWriter:
    """The metrics of one run, in `metrics.jsonl` and as TensorBoard events, and its progress on the terminal.

    On a terminal a bar shows rate and remaining time; elsewhere (a log file, a cluster) plain lines say the same.
    They begin with the name of the run's directory. Only the first process of a multi-host run writes.
    """

    def __init__(self, directory: Path, steps: int, step: int, images_per_step: int, *, active: bool):
        self._path = directory / "metrics.jsonl"
        self._title, self._steps, self._images = directory.resolve().name, steps, images_per_step
        self._active = active
        self._writer = SummaryWriter(str(directory / "tensorboard")) if active else None
        self._began: float | None = None
        self._first, self._waited = step, 0.0
        self._bar = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=console,
            )
            if active and console.is_terminal
            else None
        )
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=steps, completed=step, rate="compiling")

    def advance(self, step: int) -> None:
        """Moves the bar; the rate leaves out the first step, which compiles."""
        if self._began is None:
            self._began, self._first, self._waited = time.perf_counter(), step, 0.0
        if self._bar:
            self._bar.update(self._task, completed=step, rate=f"{self.rate(step):,.0f} images/s")

    def awaited(self, batches: Iterator[T]) -> Iterator[T]:
        """The same batches; the time until each is there counts as waiting for input."""
        began = time.perf_counter()
        for batch in batches:
            self._waited += time.perf_counter() - began
            yield batch
            began = time.perf_counter()

    def rate(self, step: int) -> float:
        """Images per second since the first step was done."""
        if self._began is None or step == self._first:
            return 0.0
        return (step - self._first) * self._images / (time.perf_counter() - self._began)

    def waiting(self) -> float:
        """The share of the time since the first step was done in which the next batch was awaited."""
        return self._waited / (time.perf_counter() - self._began) if self._began is not None else 0.0

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Records the metrics of a step and, away from a terminal, prints them."""
        if self._writer is None:
            return
        rate, waiting = self.rate(step), self.waiting()
        speed = {"images_per_second": round(rate, 1), "waiting_for_input": round(waiting, 3), **peak_memory()}
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}  # as JSON has it
        append_line(self._path, {"step": step, **finite, **speed})
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        if not self._bar:
            left = (self._steps - step) * self._images / rate if rate else 0.0
            values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            pace = f"{rate:,.0f} images/s  {waiting:.0%} waiting for input  {left:,.0f} s left"
            self.say(f"step {step}/{self._steps}  {values}  {pace}")

    def say(self, message: str) -> None:
        if self._active:
            console.print(f"{self._title}: {message}", soft_wrap=True, markup=False)

    def close(self) -> None:
        if self._bar:
            self._bar.stop()
        if self._writer:
            self._writer.close()
