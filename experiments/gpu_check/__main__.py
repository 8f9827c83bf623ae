"""Checks an accelerator in four parts, each in less than three minutes, and prints one Markdown table.

    python -m experiments.gpu_check                            # all parts
    python -m experiments.gpu_check --part speed --seconds 120  # one, stopped after two minutes

parity: the losses of training steps against a CPU's, from equal weights.
memory: the peak of a training step before and after a resume.
smoke: the smallest error-rate curve from end to end, and the share of time that it waits for input.
speed: images a second of training in bfloat16, beside PyTorch where that is installed.

It needs no network and no package beyond the project's own, and takes the first GPU, or those that
CUDA_VISIBLE_DEVICES names. A part that is stopped says what it left out. Where there is no accelerator, everything runs
at toy sizes on the CPU. The exit status is 1 if something fails or does not hold.
"""

import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import tyro

from experiments import command_line
from experiments.gpu_check import memory, parity, smoke, speed
from experiments.gpu_check.device import describe, device_facts
from experiments.gpu_check.jobs import Job, run
from experiments.gpu_check.report import FULL, HEADER, TOY, Report, table_row

Part = Literal["parity", "memory", "smoke", "speed"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """A check.

    Attributes:
      part: What to check; all four by default, in this order.
      seconds: After how long each part is stopped.
      output_dir: Gets PART.json for every part.
    """

    part: tuple[Part, ...] = ("parity", "memory", "smoke", "speed")
    seconds: float = 180.0
    output_dir: Path = Path("runs/gpu_check")


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.gpu_check", description=command_line.described(__doc__))
    if arguments.seconds <= 0:
        raise ValueError(f"--seconds is {arguments.seconds:g}; expected a number above 0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    facts = run([Job("device", ("device",), device_facts)], time.monotonic() + arguments.seconds)["device"]
    if facts.missing:
        raise ValueError(f"JAX finds no device: {facts.missing['device']}")
    device = facts.values["device"]
    sizes = TOY if device["platform"] == "cpu" else FULL
    checks: Mapping[Part, Callable[[float], Report]] = {
        "parity": functools.partial(parity.check, sizes),
        "memory": functools.partial(memory.check, sizes),
        "smoke": functools.partial(smoke.check, sizes),
        "speed": functools.partial(speed.check, sizes, device=device["kind"]),
    }
    print(f"{describe(device)}\n\n{table_row(HEADER)}\n{table_row(['---'] * len(HEADER))}", flush=True)
    reports = []
    for part in dict.fromkeys(arguments.part):
        began = time.monotonic()
        report = checks[part](began + arguments.seconds)
        report.write(arguments.output_dir / f"{part}.json", {**device, "seconds": time.monotonic() - began})
        print(*report.lines(), sep="\n", flush=True)
        reports.append(report)
    if not all(report.holds for report in reports):
        sys.exit(1)


if __name__ == "__main__":
    command_line.run(main)
