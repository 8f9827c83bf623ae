"""Which way a convolution and its gradients are computed: three tables, read from above.

Every way can compute some problems (`able`) and is taken for some of those (`suits`); the first that does both is
taken. The choice is made once for each problem, while a program is traced. Shapes are Flax's: maps (N, H, W, C),
kernels (h, w, C / groups, C').
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
from jax import Array

from cnn_evolution.xla_cpu import correlation, depthwise, direct, grouped, im2col, small_cin, thresholds, winograd
from cnn_evolution.xla_cpu.problem import Problem


def _always(problem: Problem) -> bool:
    return True


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A way to compute a convolution or one of its gradients.

    Attributes:
      name: For tables.
      run: Computes it of two arrays.
      able: Whether it can compute a problem.
      suits: Whether it is taken, if none before it is.
    """

    name: str
    run: Callable[[Array, Array, Problem], Array]
    able: Callable[[Problem], bool] = _always
    suits: Callable[[Problem], bool] = _always


@functools.lru_cache(maxsize=1024)
def choose(table: tuple[Strategy, ...], problem: Problem) -> Strategy:
    """The first way that can compute the problem and suits it."""
    return next(way for way in table if way.able(problem) and way.suits(problem))


# Input gradients are often such convolutions too: each problem is traced and lowered once for both.
@functools.partial(jax.jit, static_argnums=2)
def forward(x: Array, kernel: Array, problem: Problem) -> Array:
    """The convolution, (N, H, W, C), (h, w, C / groups, C') -> (N, H', W', C')."""
    return choose(FORWARD, problem).run(x, kernel, problem)


def input_gradient(dy: Array, kernel: Array, problem: Problem) -> Array:
    """The gradient of the maps, (N, H, W, C), from that of the output, (N, H', W', C')."""
    return choose(INPUT_GRADIENT, problem).run(dy, kernel, problem)


def weight_gradient(x: Array, dy: Array, problem: Problem) -> Array:
    """The gradient of the kernel, (h, w, C / groups, C'), from that of the output, (N, H', W', C')."""
    return choose(WEIGHT_GRADIENT, problem).run(x, dy, problem)


def _turned(dy: Array, kernel: Array, problem: Problem) -> Array:
    """At stride 1 the input gradient is a convolution with the kernel turned around."""
    return forward(dy, kernel[::-1, ::-1].swapaxes(2, 3), problem.back)


def _is_depthwise(problem: Problem) -> bool:
    return problem.depthwise


def _is_grouped(problem: Problem) -> bool:
    return problem.groups > 1


def _is_dense(problem: Problem) -> bool:
    return problem.groups == 1


def _is_3x3(problem: Problem) -> bool:
    return _is_dense(problem) and (problem.window.size, problem.window.strides) == ((3, 3), (1, 1))


def _is_small(problem: Problem) -> bool:
    """Every product of `small_cin` is compiled by itself."""
    return _is_dense(problem) and problem.window.taps * problem.channels <= 4 * thresholds.SMALL_CIN_PRODUCTS


def _has_small_cin(problem: Problem) -> bool:
    """1x1 kernels are products of matrices whatever their channels."""
    return not problem.pointwise and problem.window.taps * problem.channels <= thresholds.SMALL_CIN_PRODUCTS


def _suits_winograd(problem: Problem) -> bool:
    """Below 32 bits the differences of pixels lose too much."""
    return (
        min(problem.channels, problem.features) >= thresholds.WINOGRAD_CHANNELS
        and min(problem.window.output_size) >= thresholds.WINOGRAD_MAP
        and winograd.tiles(problem) >= thresholds.WINOGRAD_TILES
        and problem.itemsize >= 4
    )


def _has_no_fast_kernel(problem: Problem) -> bool:
    """XLA's kernel is slower for 1x1, by far for maps smaller than the kernel, and has no fast form in float64."""
    return problem.pointwise or min(problem.window.map_size) < max(problem.window.size) or problem.itemsize > 4


def _has_stride(problem: Problem) -> bool:
    """XLA would blow the gradient up with zeros."""
    return problem.pointwise or problem.window.strides != (1, 1)


def _suits_correlation(problem: Problem) -> bool:
    """Small batches and those that divide badly, and float64, leave XLA's kernel too little or no fast form."""
    enough = correlation.images_at_a_time(problem) >= thresholds.CORRELATION_IMAGES
    return enough and not problem.pointwise and problem.itemsize <= 4


def _has_stride_1(problem: Problem) -> bool:
    return _is_dense(problem) and problem.window.strides == (1, 1)


FORWARD = (
    Strategy("depthwise", depthwise.forward, able=_is_depthwise),
    Strategy("grouped", functools.partial(grouped.forward, dense=forward), able=_is_grouped),
    Strategy("small_cin", small_cin.forward, able=_is_small, suits=_has_small_cin),
    Strategy("winograd", winograd.forward, able=_is_3x3, suits=_suits_winograd),
    Strategy("im2col", im2col.forward, able=_is_dense, suits=_has_no_fast_kernel),
    Strategy("direct", direct.forward, able=_is_dense),
)
INPUT_GRADIENT = (
    Strategy("depthwise", depthwise.input_gradient, able=_is_depthwise),
    Strategy("grouped", functools.partial(grouped.input_gradient, dense=input_gradient), able=_is_grouped),
    Strategy("col2im", im2col.input_gradient, able=_is_dense, suits=_has_stride),
    Strategy("turned", _turned, able=_has_stride_1),
)
WEIGHT_GRADIENT = (
    Strategy("depthwise", depthwise.weight_gradient, able=_is_depthwise),
    Strategy("grouped", functools.partial(grouped.weight_gradient, dense=weight_gradient), able=_is_grouped),
    Strategy("winograd", winograd.weight_gradient, able=_is_3x3, suits=_suits_winograd),
    Strategy("correlation", correlation.weight_gradient, able=_is_dense, suits=_suits_correlation),
    Strategy("im2col", im2col.weight_gradient, able=_is_dense),
)
