"""Measures how fast networks run: this package, XLA's own convolutions, and PyTorch, side by side.

    python -m experiments.benchmark resnet50 vgg16 --batch-size 16
    python -m experiments.benchmark resnet18@48 --width 0.25 --batch-size 64 --convolution ours lax
    python -m experiments.benchmark resnet50@64x64 mobilenet_v1@224x16 --dtype bfloat16
    python -m experiments.benchmark resnext50_32x4d --operations    # what the time goes to
    python -m experiments.benchmark --input    # how fast images are read; see experiments.input_speed

A network is a name from the catalogue, with the images' side in pixels and their number if these differ from
`--input-size` and `--batch-size`. PyTorch takes part where it is installed together with torchvision (and pytorchcv for
the networks that torchvision lacks), in its fastest setting: memory layout, and on a GPU `torch.compile`.

Every contender runs in a process of its own, so that neither its threads nor its memory get into another's way, and all
keep the memory that they free. They take turns, one measurement each a round; what counts is the median over the
rounds. The first steps, in which programs are compiled and memory is fetched, and the first of every turn are not
measured.
"""

import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import tyro

from cnn_evolution import model_info
from cnn_evolution.cpu_settings import computes_on_cpu, tuned
from experiments import command_line, contenders, input_speed
from experiments.contenders import MODES, Case, Contender, Step, parse
from experiments.operations import OPERATIONS, seconds_by_kind

CONTENDERS: Mapping[str, Callable[[Case], Contender]] = {
    "ours": contenders.ours,
    "lax": contenders.lax,
    "torch": contenders.torch,
}
HEADER = ("network", "pixels", "batch", "step", "contender", "images/s", "ours is", "compile, s", "TFLOP/s (MFU)")

# Floating-point operations a second of dense bfloat16 products, from the manufacturer's data sheets.
PEAK_FLOPS = {"A100": 312e12, "H100": 989e12, "H200": 989e12}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """A comparison.

    Attributes:
      networks: NAME, NAME@PIXELS or NAME@PIXELSxIMAGES.
      input_size: Side of the images in pixels; None for each network's published one.
      batch_size: Images a step.
      width: Factor on every number of channels; PyTorch takes part only at 1.
      dtype: What the layers compute in; PyTorch by automatic mixed precision.
      convolution: This package's own convolutions, XLA's, or both.
      torch: Whether PyTorch takes part.
      rounds: Measurements of each contender.
      seconds: What one measurement takes at least.
      operations: Also measure which kinds of operations a step's time goes to; not in PyTorch, and only on a CPU.
      output: Where the numbers go, as JSON.
    """

    networks: tyro.conf.Positional[tuple[str, ...]]
    input_size: int | None = None
    batch_size: int = 16
    width: float = 1.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    convolution: tuple[Literal["ours", "lax"], ...] = ("ours",)
    torch: bool = True
    rounds: int = 5
    seconds: float = 1.0
    operations: bool = False
    output: Path = Path("runs/benchmark.json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """The speed of one contender in one mode.

    Attributes:
      case: What ran.
      mode: "inference" or "training".
      contender: "ours", "lax" or "torch".
      setting: Its fastest setting.
      device: What it ran on.
      compile_seconds: What it took to compile; None where the first steps do that.
      seconds: Of one step, in every round.
      operations: Seconds by kind of operation in one step more, added up over threads; None if not measured.
    """

    case: Case
    mode: str
    contender: str
    setting: str
    device: str
    compile_seconds: float | None
    seconds: list[float]
    operations: dict[str, float] | None = None

    @property
    def images_per_second(self) -> float:
        return self.case.batch_size / statistics.median(self.seconds)

    @property
    def flops(self) -> float | None:
        """Operations a second in convolutions and fully connected layers, whose gradients take twice as many again."""
        spec = model_info(self.case.model)
        if (self.case.input_size, self.case.width) != (spec.input_size, 1):
            return None
        return self.images_per_second * 2 * spec.macs * (3 if self.mode == "training" else 1)


def main() -> None:
    if "--input" in sys.argv:
        return input_speed.main([argument for argument in sys.argv[1:] if argument != "--input"])
    arguments = tyro.cli(Arguments, prog="python -m experiments.benchmark", description=command_line.described(__doc__))
    if not arguments.networks:
        raise ValueError("there is nothing to measure; expected the name of at least one network")
    results: list[Result] = []
    print(row(HEADER), row(["---"] * len(HEADER)), sep="\n", flush=True)
    shape = (arguments.input_size, arguments.batch_size, arguments.width, arguments.dtype)
    for case in [parse(network, *shape) for network in arguments.networks]:
        names: list[str] = list(dict.fromkeys(arguments.convolution))
        if arguments.torch and case.width == 1 and contenders.torch_source(case.model):
            names.append("torch")
        measured = list(measure(case, names, arguments))
        print("\n".join(row(cells(result, measured)) for result in measured), flush=True)
        results += measured
    if arguments.operations:
        print("\nMilliseconds a step, and of every kind of operation, added up over threads:\n")
        print(operations_table([result for result in results if result.operations]))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report(results), indent=1) + "\n")


def measure(case: Case, names: list[str], arguments: Arguments) -> Iterator[Result]:
    """The results of all contenders, mode by mode."""
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(started(name, case, arguments.seconds)) for name in names}
        facts = {name: receive(worker) for name, worker in workers.items()}
        for mode in MODES:
            seconds: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(arguments.rounds):
                for name, worker in workers.items():
                    worker.send((mode, "seconds"))
                    seconds[name].append(receive(worker))
            for name, worker in workers.items():
                operations = None
                if arguments.operations:
                    worker.send((mode, "operations"))
                    operations = receive(worker)
                yield Result(
                    case=case,
                    mode=mode,
                    contender=name,
                    seconds=seconds[name],
                    operations=operations,
                    **facts[name][mode],
                )


def environment() -> Mapping[str, str]:
    """Of every contender: on a CPU, all keep the memory that they free."""
    return (tuned(os.environ) if computes_on_cpu(os.environ) else None) or os.environ


@contextlib.contextmanager
def started(name: str, case: Case, seconds: float) -> Iterator[Connection]:
    """A contender's process, until the end of the context."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, name, case, seconds), daemon=True)
    with patch.dict(os.environ, environment()):
        process.start()
    there.close()
    # One contender compiles at a time.
    here.poll(None)
    try:
        yield here
    finally:
        here.close()
        process.join()


def receive(worker: Connection) -> Any:
    """What a contender's process sends, or the error that it met."""
    try:
        answer = worker.recv()
    except EOFError:
        raise RuntimeError("a contender's process has died; it may have run out of memory") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def work(connection: Connection, name: str, case: Case, seconds: float) -> None:
    """Prepares a contender, then measures a step of each mode that is asked for, until the other side hangs up."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # contenders share a GPU's memory
    try:
        contender = CONTENDERS[name](case)
        steps = {mode: fastest(candidates) for mode, candidates in contender.steps.items()}
        connection.send(
            {
                mode: {"setting": step.setting, "device": contender.device, "compile_seconds": step.compile_seconds}
                for mode, (step, _) in steps.items()
            }
        )
        with contextlib.suppress(EOFError):
            while True:
                mode, wanted = connection.recv()
                step, expected = steps[mode]
                step.run(1)  # what the others' turns drove out of the caches comes back
                if wanted == "seconds":
                    connection.send(timed(step, max(1, round(seconds / expected))))
                elif step.program and contender.device == "cpu":
                    connection.send(seconds_by_kind(step.program(), functools.partial(step.run, 1)))
                else:
                    connection.send(None)
    except Exception as error:
        connection.send(error)


def fastest(candidates: list[Step]) -> tuple[Step, float]:
    """The fastest step once warm, and the seconds that it takes."""
    for step in candidates:
        step.run(1)
    rounds = [[timed(step, 1) for step in candidates] for _ in range(3)]
    seconds = [min(times) for times in zip(*rounds, strict=True)]
    best = min(range(len(candidates)), key=seconds.__getitem__)
    return candidates[best], seconds[best]


def timed(step: Step, count: int) -> float:
    start = time.perf_counter()
    step.run(count)
    return (time.perf_counter() - start) / count


def row(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def cells(result: Result, measured: list[Result]) -> tuple[Any, ...]:
    """A line of the table; `measured` are all results of the case."""
    ratio = speed_of_ours(result, measured)
    rate = "" if result.flops is None else f"{result.flops / 1e12:.3g}"
    peak = next((peak for name, peak in PEAK_FLOPS.items() if name in result.device), None)
    if peak and result.flops is not None and result.case.dtype == "bfloat16":
        rate += f" ({result.flops / peak:.0%})"
    return (
        result.case.model,
        result.case.input_size,
        result.case.batch_size,
        result.mode,
        f"{result.contender} {result.setting}".strip(),
        f"{result.images_per_second:.4g}",
        "" if ratio is None else f"{ratio:.2f} times as fast",
        "" if result.compile_seconds is None else f"{result.compile_seconds:.1f}",
        rate,
    )


def operations_table(measured: list[Result]) -> str:
    """What the time of steps goes to, a line for each."""
    header = ("network", "pixels", "batch", "step", "contender", "ms", *OPERATIONS)
    lines = [row(header), row(["---"] * len(header))]
    for result in measured:
        case, operations = result.case, result.operations or {}
        seconds = [statistics.median(result.seconds), *(operations[kind] for kind in OPERATIONS)]
        names = (case.model, case.input_size, case.batch_size, result.mode, result.contender)
        lines.append(row([*names, *(f"{1000 * one:.3g}" for one in seconds)]))
    return "\n".join(lines)


def speed_of_ours(result: Result, measured: list[Result]) -> float | None:
    """How many times as fast this package is; None for itself, and where it takes no part."""
    ours = [one for one in measured if (one.case, one.mode, one.contender) == (result.case, result.mode, "ours")]
    if result.contender == "ours" or not ours:
        return None
    return ours[0].images_per_second / result.images_per_second


def report(results: list[Result]) -> dict[str, Any]:
    """What the file states: every measurement, and what it was taken with."""
    versions = {}
    for name in ("jax", "jaxlib", "flax", "torch", "torchvision", "pytorchcv"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    rows = [
        dataclasses.asdict(result)
        | {
            "images_per_second": result.images_per_second,
            "flops_per_second": result.flops,
            "speed_of_ours": speed_of_ours(result, results),
        }
        for result in results
    ]
    return {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "allocator": environment().get("GLIBC_TUNABLES", ""),
        "versions": versions,
        "results": rows,
    }


if __name__ == "__main__":
    command_line.run(main)
