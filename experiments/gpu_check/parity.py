"""Whether the device computes what a CPU computes: the losses of five training steps from equal weights."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import jax

from cnn_evolution.layers import plain_convolutions
from experiments.contenders import Case
from experiments.gpu_check.jobs import Job, run
from experiments.gpu_check.program import program
from experiments.gpu_check.report import Report, Row, Sizes

NETWORKS = ("alexnet", "googlenet", "resnet50", "mobilenet_v2")
BATCH, STEPS = 8, 5
LIMITS = {1: 1e-5, STEPS: 1e-3}  # relative difference of the float32 loss of a step


def check(sizes: Sizes, deadline: float) -> Report:
    """A row a network: the differences in float32 against their limits; those in bfloat16 are only said."""
    exact, half = (
        [Case(name, sizes.parity_pixels, BATCH, sizes.width, dtype) for name in sizes.networks or NETWORKS]
        for dtype in ("float32", "bfloat16")
    )
    outcomes = run(
        [
            Job("cpu", tuple(map(_key, exact)), losses, (False, exact), {"JAX_PLATFORMS": "cpu"}),
            Job("device", tuple(map(_key, exact + half)), losses, (sizes.stand_in, exact, half)),
        ],
        deadline,
    )
    cpu, device = (outcomes[name].values for name in ("cpu", "device"))
    missing = {f"{key} on the {name}": why for name, one in outcomes.items() for key, why in one.missing.items()}
    found = [
        compare(single, cpu[_key(single)], device[_key(single)], device.get(_key(double)))
        for single, double in zip(exact, half, strict=True)
        if _key(single) in cpu and _key(single) in device
    ]
    return Report("parity", found, missing)


def compare(case: Case, cpu: Sequence[float], device: Sequence[float], bfloat16: Sequence[float] | None) -> Row:
    """Losses of every step: in float32 on a CPU and on the device, and in bfloat16 on the device."""
    apart = [abs(a - b) / abs(b) for a, b in zip(device, cpu, strict=True)]
    result = ", ".join(f"{apart[step - 1]:.1e} after step {step}" for step in LIMITS)
    if bfloat16:
        result += f" (bfloat16: {abs(bfloat16[0] / cpu[0] - 1):.1e} after step 1)"
    return Row(
        what=f"{case.model}, {case.input_size} px: loss in float32 against the CPU's, relative",
        result=result,
        beside=", ".join(f"{limit:.0e}" for limit in LIMITS.values()) + " allowed",
        holds=all(apart[step - 1] <= limit for step, limit in LIMITS.items()),  # a loss that is no number does not
        numbers={"cpu": cpu, "device": device, "device_bfloat16": bfloat16},
    )


def losses(stand_in: bool, *rounds: list[Case]) -> Iterator[tuple[str, Any]]:
    """The losses of the first steps of every case, in full float32 precision; a round is compiled side by side.

    With `stand_in`, a CPU computes as a device would, with XLA's own convolutions.
    """
    with (
        jax.default_matmul_precision("highest"),
        plain_convolutions() if stand_in else nullcontext(),
        ThreadPoolExecutor() as pool,
    ):
        for cases in rounds:
            compiled = [(program(case), pool.submit(program(case).lowered.compile)) for case in cases]
            for one, step in compiled:
                state, inputs, values = one.state(), one.inputs(), []
                for _ in range(STEPS):
                    state, metrics = step.result()(state, *inputs)
                    values.append(float(metrics["loss"]))
                yield _key(one.case), values


def _key(case: Case) -> str:
    return f"{case.model} in {case.dtype}"
