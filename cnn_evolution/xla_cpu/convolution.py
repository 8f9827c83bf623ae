"""Chooses the kind of a convolution."""

from jax import Array

from cnn_evolution.xla_cpu import dense, depthwise, grouped
from cnn_evolution.xla_cpu.window import Window


def forward(x: Array, kernel: Array, window: Window, groups: int) -> Array:
    """The convolution, (N, H, W, C), (h, w, C / groups, C') -> (N, H', W', C')."""
    if groups == 1:
        return dense.forward(x, kernel, window)
    if _is_depthwise(kernel.shape, groups):
        return depthwise.forward(x, kernel, window)
    return grouped.forward(x, kernel, window, groups)


def input_gradient(dy: Array, kernel: Array, window: Window, groups: int) -> Array:
    """Gradient of `x`, (N, H, W, C), from that of the output."""
    if groups == 1:
        return dense.input_gradient(dy, kernel, window)
    if _is_depthwise(kernel.shape, groups):
        return depthwise.input_gradient(dy, kernel, window)
    return grouped.input_gradient(dy, kernel, window, groups)


def weight_gradient(x: Array, dy: Array, window: Window, groups: int) -> Array:
    """Gradient of `kernel`, (h, w, C / groups, C'), from that of the output."""
    if groups == 1:
        return dense.weight_gradient(x, dy, window)
    if x.shape[-1] == dy.shape[-1] == groups:
        return depthwise.weight_gradient(x, dy, window)
    return grouped.weight_gradient(x, dy, window, groups)


def _is_depthwise(kernel_shape: tuple[int, ...], groups: int) -> bool:
    return kernel_shape[2] == 1 and kernel_shape[3] == groups
