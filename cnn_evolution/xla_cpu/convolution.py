"""The convolution with its gradients, each computed the way that is fastest on a CPU."""

import functools

import jax
from jax import Array

from cnn_evolution.xla_cpu import strategies
from cnn_evolution.xla_cpu.problem import Problem


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: Array, kernel: Array, problem: Problem) -> Array:
    """(N, H, W, C), (h, w, C / groups, C') -> (N, H', W', C')."""
    return strategies.forward(x, kernel, problem)


def _forward(x: Array, kernel: Array, problem: Problem) -> tuple[Array, tuple[Array, Array]]:
    return convolve(x, kernel, problem), (x, kernel)


def _backward(problem: Problem, kept: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = kept
    return strategies.input_gradient(dy, kernel, problem), strategies.weight_gradient(x, dy, problem)


convolve.defvjp(_forward, _backward)
