"""XLA's own convolution, where it compiles it to its fast kernel."""

from collections.abc import Callable
from typing import Any

from jax import Array, lax

from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.window import Pads, pad

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def forward(x: Array, kernel: Array, problem: Problem) -> Array:
    return convolve(x, kernel, problem.window.padding, window_strides=problem.window.strides)


def convolve(x: Array, kernel: Array, padding: Pads, **settings: Any) -> Array:
    """`lax.conv_general_dilated`, of a map that is cropped before.

    With a padding that is negative on one side and positive on the other XLA would read beyond the map.
    """
    x = pad(x, _each(min, padding))
    return lax.conv_general_dilated(x, kernel, padding=_each(max, padding), dimension_numbers=DIMENSIONS, **settings)


def _each(extreme: Callable[[int, int], int], padding: Pads) -> Pads:
    """Of each padding and 0 the smaller or the larger one."""
    (above, below), (left, right) = padding
    return (extreme(above, 0), extreme(below, 0)), (extreme(left, 0), extreme(right, 0))
