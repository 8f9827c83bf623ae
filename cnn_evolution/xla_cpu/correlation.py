"""The gradient of a kernel as a convolution of the map, whose kernel is the gradient of the output.

Images act as channels and channels as images. XLA's kernel is fast while this kernel stays in the cache and has
channels enough, so batches are taken in chunks that are added up.
"""

from jax import Array, lax

from cnn_evolution.xla_cpu import direct
from cnn_evolution.xla_cpu.chunked import largest_divisor, sum_chunks
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.thresholds import CORRELATION_CACHE, CORRELATION_WIDE
from cnn_evolution.xla_cpu.window import Window


def images_at_a_time(problem: Problem) -> int:
    """As many images as divide the batch and leave the output's gradient in the cache."""
    height, width = problem.window.output_size
    image_bytes = height * width * problem.features * problem.itemsize
    return largest_divisor(problem.images, max(CORRELATION_WIDE, CORRELATION_CACHE // image_bytes))


def weight_gradient(x: Array, dy: Array, problem: Problem) -> Array:
    def correlate(x: Array, dy: Array) -> Array:
        return _correlate_images(x, dy, problem.window)

    return sum_chunks(correlate, images_at_a_time(problem), x, dy).astype(x.dtype)


def _correlate_images(x: Array, dy: Array, window: Window) -> Array:
    """The gradient as one convolution, (C, H, W, N), (H', W', N, C') -> (C, h, w, C')."""
    # The barrier keeps the transpositions out of the convolution, which XLA would then not give to its fast kernel.
    x, dy = lax.optimization_barrier((x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3)))
    vertical, horizontal = (
        (before, (outputs - 1) * stride + size - length - before)
        for (before, _), outputs, stride, size, length in zip(
            window.padding, window.output_size, window.strides, window.size, window.map_size, strict=True
        )
    )
    dw = direct.convolve(x, dy, (vertical, horizontal), window_strides=(1, 1), rhs_dilation=window.strides)
    return dw.transpose(1, 2, 0, 3)
