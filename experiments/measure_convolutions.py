"""Times every way to compute the convolutions of some networks on a CPU, and compares the fastest with the chosen one.

    python -m experiments.measure_convolutions
    python -m experiments.measure_convolutions resnet50@224x16 mobilenet_v1@224x16 --rounds 10

A line for each kind of convolution, forward and both gradients: the milliseconds of every way that can compute it, the
one that `cnn_evolution/xla_cpu/strategies.py` chooses by the numbers of `thresholds.py`, and the fastest where that is
another. The last lines say what choosing the fastest everywhere would save. Ways take turns, so that a machine whose
speed varies is fair to all.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import cnn_evolution as ce
from cnn_evolution.analysis.graph import trace
from cnn_evolution.xla_cpu import Problem, Window
from cnn_evolution.xla_cpu.strategies import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, Strategy, choose
from experiments import command_line
from experiments.benchmark import row
from experiments.contenders import parse

TABLES = {"forward": FORWARD, "input gradient": INPUT_GRADIENT, "weight gradient": WEIGHT_GRADIENT}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is measured.

    Attributes:
      networks: NAME, NAME@PIXELS or NAME@PIXELSxIMAGES; float32.
      input_size: Side of the images in pixels; None for each network's published one.
      batch_size: Images at a time.
      width: Factor on every number of channels.
      rounds: Measurements of each way, of which the median counts.
    """

    networks: tyro.conf.Positional[tuple[str, ...]] = ("alexnet", "resnet50@64", "mobilenet_v1@64")
    input_size: int | None = None
    batch_size: int = 16
    width: float = 1.0
    rounds: int = 5


@dataclasses.dataclass(frozen=True)
class Measured:
    """One convolution or gradient.

    Attributes:
      operation: A key of `TABLES`.
      problem: What is computed.
      seconds: Of every way that can compute it, by name.
      chosen: The name of the one that is chosen.
    """

    operation: str
    problem: Problem
    seconds: Mapping[str, float]
    chosen: str

    @property
    def fastest(self) -> str:
        return min(self.seconds, key=self.seconds.__getitem__)


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.measure_convolutions", description=command_line.described(__doc__)
    )
    problems = list(dict.fromkeys(problem for name in arguments.networks for problem in problems_of(name, arguments)))
    header = ("convolution", "operation", "ms of every way", "chosen", "fastest")
    print(row(header), row(["---"] * len(header)), sep="\n", flush=True)
    measured = []
    for problem in problems:
        for one in measure(problem, arguments.rounds):
            print(row(cells(one)), flush=True)
            measured.append(one)
    several = [one for one in measured if len(one.seconds) > 1]
    best = sum(one.chosen == one.fastest for one in several)
    of_chosen = sum(one.seconds[one.chosen] for one in several)
    of_fastest = sum(min(one.seconds.values()) for one in several)
    print(
        f"\n{len(several)} of {len(measured)} have more ways than one; the chosen one is the fastest for {best}.\n"
        f"They take {1000 * of_chosen:.0f} ms as chosen and {1000 * of_fastest:.0f} ms by the fastest ways: "
        f"{of_chosen / of_fastest - 1 if several else 0:.1%} more."
    )


def problems_of(network: str, arguments: Arguments) -> Iterator[Problem]:
    """The convolutions of a network, in the order of their computation."""
    case = parse(network, arguments.input_size, arguments.batch_size, arguments.width, "float32")
    model = ce.create_model(case.model, input_size=case.input_size, width=case.width)
    for operation in (graph := trace(model, case.input_size, batch_size=case.batch_size)).operations:
        if operation.primitive == "conv_general_dilated":
            (images, height, width, channels), kernel = (graph.shapes[i].shape for i in operation.inputs)
            rows, columns = operation.params["padding"]
            window = Window(kernel[:2], tuple(operation.params["window_strides"]), (rows, columns), (height, width))
            yield Problem(images, channels, kernel[3], operation.params["feature_group_count"], window, 4)


def measure(problem: Problem, rounds: int) -> Iterator[Measured]:
    """The convolution and both of its gradients."""
    window = problem.window
    x, kernel, dy = (
        jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
        for shape in (
            (problem.images, *window.map_size, problem.channels),
            (*window.size, problem.channels // problem.groups, problem.features),
            (problem.images, *window.output_size, problem.features),
        )
    )
    operands = {"forward": (x, kernel), "input gradient": (dy, kernel), "weight gradient": (x, dy)}
    for operation, ways in TABLES.items():
        runs = {way.name: compiled(way, problem, operands[operation]) for way in ways if way.able(problem)}
        yield Measured(operation, problem, timed(runs, rounds), choose(ways, problem).name)


def compiled(way: Strategy, problem: Problem, operands: Sequence[jax.Array]) -> Callable[[], None]:
    program = jax.jit(lambda a, b: way.run(a, b, problem)).lower(*operands).compile()
    return lambda: jax.block_until_ready(program(*operands))


def timed(runs: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """The median seconds of each, which take turns; the first turn is not measured."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def cells(one: Measured) -> tuple[str, ...]:
    problem, window = one.problem, one.problem.window
    groups = f", {problem.groups} groups" if problem.groups > 1 else ""
    what = (
        f"{window.size[0]}x{window.size[1]}/{window.strides[0]}, {problem.channels} to {problem.features}{groups}, "
        f"{problem.images} x {window.map_size[0]} x {window.map_size[1]}"
    )
    ways = ", ".join(f"{name} {1000 * seconds:.2f}" for name, seconds in one.seconds.items())
    return what, one.operation, ways, one.chosen, "" if one.fastest == one.chosen else one.fastest


if __name__ == "__main__":
    command_line.run(main)
