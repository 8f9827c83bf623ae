import re
import time

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from experiments.operations import OPERATIONS, kinds_by_name, seconds_by_kind


def convolve(x):
    return lax.conv_general_dilated(
        x, jnp.ones((3, 3, 8, 8)), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


PROGRAMS = {
    "convolutions": lambda x: jnp.maximum(convolve(x), 0),
    "products of matrices": lambda x: jnp.maximum(x @ x, 0),
    "sums": lambda x: jnp.exp(x).sum((0, 1, 2)),
    "elementwise and copies": lambda x: lax.fori_loop(0, 9, lambda _, x: jnp.sin(x), x),
}


def compiled(kind):
    x = jnp.ones((4, 8, 8, 8))
    program = jax.jit(PROGRAMS[kind]).lower(x).compile()
    return program.as_text(), lambda: program(x).block_until_ready()


@pytest.mark.parametrize("kind", OPERATIONS)
def test_the_time_goes_to_the_costliest_part_of_a_fusion(kind):
    program, run = compiled(kind)
    seconds = seconds_by_kind(program, run)
    assert tuple(seconds) == OPERATIONS
    assert max(seconds, key=seconds.get) == kind


def test_loops_do_not_count_beside_what_they_run():
    program, run = compiled("elementwise and copies")
    (loop,) = re.findall(r"%(\S+) = .* while\(", program)
    assert loop not in kinds_by_name(program)
    start = time.perf_counter()
    seconds = seconds_by_kind(program, run)
    assert 0 < sum(seconds.values()) < time.perf_counter() - start
