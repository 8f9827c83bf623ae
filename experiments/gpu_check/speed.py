"""How fast networks train on the device in bfloat16, beside PyTorch, and what XLA's flags change."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import Any

import jax

import cnn_evolution as ce
from experiments import contenders
from experiments.benchmark import PEAK_FLOPS
from experiments.contenders import Case
from experiments.gpu_check.jobs import Job, run
from experiments.gpu_check.program import Program, program
from experiments.gpu_check.report import NARROW, NO_TORCH, Report, Row, Sizes

# Images a step fill the device. Flags are tried on the first network.
BATCHES = {
    "resnet50": 256,
    "vgg16": 128,
    "resnext50_32x4d": 128,
    "densenet121": 128,
    "mobilenet_v2": 128,
    "efficientnet_b0": 128,
}
FLAGS: Mapping[str, Mapping[str, Any]] = {
    "--xla_gpu_enable_latency_hiding_scheduler=true": {"xla_gpu_enable_latency_hiding_scheduler": True},
    "--xla_gpu_enable_triton_gemm=false": {"xla_gpu_enable_triton_gemm": False},
}
FRACTION = "XLA_PYTHON_CLIENT_MEM_FRACTION=.9"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A case, and the options of XLA's that it is compiled with; the key names both."""

    key: str
    case: Case
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Speed:
    """Of one program: seconds a step in every round, and what it took to get there.

    Attributes:
      seconds: Of one step, in every round.
      compile_seconds: What it took to compile; in PyTorch, to build the network and run the first step.
      alone: Whether no other program was being compiled meanwhile.
      temporary_bytes: Memory of one step besides state and batch; None in PyTorch.
    """

    seconds: tuple[float, ...]
    compile_seconds: float
    alone: bool = True
    temporary_bytes: int | None = None


def check(sizes: Sizes, deadline: float, device: str) -> Report:
    """A row a network, and one a flag. The processes run one after the other, the most important ones first."""
    cases = [
        Case(name, sizes.pixels, sizes.batch or BATCHES[name], sizes.width, "bfloat16")
        for name in sizes.networks or BATCHES
    ]
    first = cases[0]
    began, time_left = time.monotonic(), deadline - time.monotonic()
    flagged = [Plan(flag, first, options) for flag, options in FLAGS.items() if sizes.flags]
    rounds = [[Plan(case.model, case) for case in cases], flagged]
    # A program that compiles for minutes must not take the time of the others.
    jobs = [(_job("ours", rounds, sizes.seconds, patience=0.3 * time_left), began + 0.55 * time_left)]
    torch_takes_part = all(case.width == 1 and contenders.torch_source(case.model) for case in cases)
    if torch_takes_part:
        jobs.append((_torch_job("torch", cases, sizes.seconds), deadline))
    if sizes.flags:
        if torch_takes_part:
            jobs.append((_torch_job("torch.compile", [first], sizes.seconds), deadline))
        plans = [[Plan(FRACTION, first)]]
        environment = dict([FRACTION.split("=")])
        jobs.append((_job("memory", plans, sizes.seconds, patience=time_left, environment=environment), deadline))
    outcomes = {job.name: run([job], until)[job.name] for job, until in jobs}
    ours = {key: value for name, one in outcomes.items() if "torch" not in name for key, value in one.values.items()}
    theirs = {name: one.values for name, one in outcomes.items() if "torch" in name}
    missing = {f"{name}: {key}": why for name, one in outcomes.items() for key, why in one.missing.items()}
    if not torch_takes_part:
        missing["torch"] = NO_TORCH if sizes.width == 1 else NARROW
    rows = [_row(case, ours[case.model], theirs, device) for case in cases if case.model in ours]
    flags = [key for key in (*FLAGS, FRACTION) if key in ours and first.model in ours]
    rows += [_flag_row(first, key, ours[key], ours[first.model]) for key in flags]
    return Report("speed", rows, missing)


def _job(
    name: str,
    rounds: list[list[Plan]],
    seconds: float,
    *,
    patience: float,
    environment: Mapping[str, str] | None = None,
) -> Job:
    keys = tuple(plan.key for plans in rounds for plan in plans)
    return Job(name, keys, measure, (rounds, seconds, patience), environment or {})


def _torch_job(name: str, cases: list[Case], seconds: float) -> Job:
    return Job(name, tuple(case.model for case in cases), measure_torch, (cases, seconds, name == "torch.compile"))


def _row(case: Case, ours: Speed, theirs: Mapping[str, Mapping[str, Speed]], device: str) -> Row:
    found = {"ours": ours} | {name: speeds[case.model] for name, speeds in theirs.items() if case.model in speeds}
    rates = {name: _rate(case, speed) for name, speed in found.items()}
    rate, use = rates["ours"], _use(case, rates["ours"], device)
    words = (f"{rate:,.0f}", f"MFU {use:.1%}" if use else "", "" if ours.alone else "measured while others compiled")
    return Row(
        what=f"{case.model}, batch {case.batch_size}: images/s of training in bfloat16",
        result=", ".join(filter(None, words)),
        beside=", ".join(f"{name} {rates[name]:,.0f} ({rate / rates[name]:.2f})" for name in theirs if name in rates),
        numbers={
            "case": dataclasses.asdict(case),
            "images_per_second": rates,
            "mfu": use,
            "speeds": {name: dataclasses.asdict(speed) for name, speed in found.items()},
        },
    )


def _use(case: Case, images_per_second: float, device: str) -> float | None:
    """The share of the device's peak that goes into multiplications; None where either is not known."""
    peak = next((peak for name, peak in PEAK_FLOPS.items() if name in device), None)
    spec = ce.model_info(case.model)
    if peak is None or (case.input_size, case.width) != (spec.input_size, 1):
        return None
    return 2 * 3 * spec.macs * images_per_second / peak  # gradients take twice as many again


def _flag_row(case: Case, flag: str, speed: Speed, plain: Speed) -> Row:
    rate, before = _rate(case, speed), _rate(case, plain)
    return Row(
        what=f"{case.model}, batch {case.batch_size}: {flag}",
        result=f"{rate:,.0f} images/s",
        beside=f"{rate / before:.3f} times as fast as without",
        numbers=dataclasses.asdict(speed),
    )


def _rate(case: Case, speed: Speed) -> float:
    return case.batch_size / statistics.median(speed.seconds)


def measure(rounds: Sequence[Sequence[Plan]], seconds: float, patience: float) -> Iterator[tuple[str, Any]]:
    """The speed of every plan, in the order in which they are compiled.

    Those of a round are compiled side by side before the first of them is measured; but after `patience` seconds, those
    that are compiled are measured while the others are waited for.
    """
    pool = ThreadPoolExecutor()
    for plans in rounds:
        compiled = {pool.submit(_compile, program(plan.case), plan.options): plan for plan in plans}
        wait(compiled, timeout=patience)
        for result in as_completed(compiled):
            plan, alone = compiled[result], all(one.done() for one in compiled)
            try:
                step, compile_seconds = result.result()
                speed = _speed(plan.case, step, seconds)
                memory = getattr(step.memory_analysis(), "temp_size_in_bytes", None)
                yield plan.key, Speed(speed, compile_seconds, alone, memory)
            except Exception as error:  # out of memory, say; the other networks go on
                yield plan.key, error


def _compile(one: Program, options: Mapping[str, Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return one.lowered.compile(compiler_options=dict(options)), time.perf_counter() - start


def _speed(case: Case, step: Any, seconds: float) -> tuple[float, ...]:
    state, inputs = program(case).state(), program(case).inputs()

    def steps(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, metrics = step(state, *inputs)
        jax.block_until_ready((state, metrics))

    return timed(steps, seconds)


def measure_torch(cases: Sequence[Case], seconds: float, compiled: bool) -> Iterator[tuple[str, Any]]:
    """The speed of every case in PyTorch: channels_last, automatic mixed precision, eager or by `torch.compile`."""
    for case in cases:
        start = time.perf_counter()
        try:
            steps = contenders.torch_runs(case, "channels_last", compiled=compiled)["training"]
            steps(1)
            ready = time.perf_counter() - start
            yield case.model, Speed(timed(steps, seconds), ready)
        except Exception as error:
            yield case.model, error


def timed(steps: Callable[[int], None], seconds: float, rounds: int = 3) -> tuple[float, ...]:
    """Seconds a step in every round, once it is warm; a round takes about so many seconds."""

    def measure(count: int) -> float:
        start = time.perf_counter()
        steps(count)
        return (time.perf_counter() - start) / count

    steps(3)
    count = max(1, round(seconds / measure(2)))
    return tuple(measure(count) for _ in range(rounds))
