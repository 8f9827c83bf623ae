"""Every way that can compute a convolution computes the same, and the first that suits it is taken."""

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution.xla_cpu import Problem, Window
from cnn_evolution.xla_cpu.strategies import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, choose


def problem(images, side, kernel, channels, features, stride=1, groups=1, itemsize=4):
    pads = ((kernel // 2, kernel // 2),) * 2
    return Problem(
        images, channels, features, groups, Window((kernel,) * 2, (stride,) * 2, pads, (side,) * 2), itemsize
    )


PROBLEMS = {
    "1x1": problem(4, 6, 1, 8, 12),
    "3x3": problem(8, 9, 3, 8, 12),
    "3x3 of many channels": problem(8, 14, 3, 64, 64),
    "3x3/2": problem(8, 9, 3, 8, 12, stride=2),
    "colour image": problem(4, 12, 3, 3, 16, stride=2),
    "map smaller than the kernel": problem(4, 2, 3, 16, 16),
    "grouped": problem(4, 6, 3, 8, 16, groups=4),
    "depthwise": problem(4, 6, 3, 8, 8, groups=8),
}
TABLES = {"forward": FORWARD, "input gradient": INPUT_GRADIENT, "weight gradient": WEIGHT_GRADIENT}


def operands(table, one):
    """What a way of the table computes with, drawn at random."""
    window = one.window
    shapes = {
        "x": (one.images, *window.map_size, one.channels),
        "kernel": (*window.size, one.channels // one.groups, one.features),
        "dy": (one.images, *window.output_size, one.features),
    }
    names = {"forward": ("x", "kernel"), "input gradient": ("dy", "kernel"), "weight gradient": ("x", "dy")}[table]
    random = np.random.default_rng(0)
    return [jnp.asarray(random.normal(size=shapes[name]), jnp.float32) for name in names]


@pytest.mark.parametrize("one", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("table", TABLES)
def test_every_way_that_can_gives_the_same(table, one):
    arrays = operands(table, one)
    able = [way for way in TABLES[table] if way.able(one)]
    expected = able[-1].run(*arrays, one)
    for way in able[:-1]:
        actual = way.run(*arrays, one)
        np.testing.assert_allclose(
            actual, expected, rtol=0, atol=3e-5 * float(jnp.abs(expected).max()), err_msg=way.name
        )


@pytest.mark.parametrize(
    "one, forward, input_gradient, weight_gradient",
    [
        (PROBLEMS["1x1"], "im2col", "col2im", "im2col"),
        (PROBLEMS["3x3"], "direct", "turned", "correlation"),
        (PROBLEMS["3x3 of many channels"], "winograd", "turned", "winograd"),
        (PROBLEMS["3x3/2"], "direct", "col2im", "correlation"),
        (PROBLEMS["colour image"], "small_cin", "col2im", "correlation"),
        (PROBLEMS["map smaller than the kernel"], "im2col", "turned", "correlation"),
        (PROBLEMS["grouped"], "grouped", "grouped", "grouped"),
        (PROBLEMS["depthwise"], "depthwise", "depthwise", "depthwise"),
        (problem(2, 9, 3, 8, 12), "direct", "turned", "im2col"),  # too few images to be channels
        (problem(8, 14, 3, 64, 64, itemsize=2), "direct", "turned", "correlation"),  # too few digits for Winograd
        (problem(8, 14, 3, 64, 64, itemsize=8), "winograd", "turned", "winograd"),
        (problem(8, 9, 3, 8, 12, itemsize=8), "im2col", "turned", "im2col"),
    ],
)
def test_the_first_that_suits_is_taken(one, forward, input_gradient, weight_gradient):
    taken = {name: choose(table, one).name for name, table in TABLES.items()}
    assert taken == {"forward": forward, "input gradient": input_gradient, "weight gradient": weight_gradient}
