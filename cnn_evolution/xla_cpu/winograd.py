"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(4x4, 3x3) (Lavin & Gray 2016, section 4.3).

A tile of 4x4 outputs sees 6x6 pixels. Once these and the kernel are transformed, which takes additions and
multiplications by constants, they are multiplied value by value: 36 multiplications instead of 144. Over all tiles and
channels these are 36 products of matrices. The transformed map is 2.25 times as large, so of large maps a few images
are taken at a time. Every loop over chunks takes its own time to compile, so there are few.

Rounding is a few millionths of a map's largest value instead of one. In a whole network less is left of it: logits of
VGG-16 differ from those in float64 by 1.5e-6 of their root mean square instead of 0.8e-6, of ResNet-50 by 0.50e-6
instead of 0.41e-6. Where a network amplifies rounding, direct convolutions lose as much: with statistics of four images
the largest difference of ResNet-50's logits is 7.6e-5 of the largest logit, with XLA's own convolutions 5.4e-5, with
torch's 6.9e-5; of wide ResNet-50-2's 5.2e-5, 5.3e-5 and 8.0e-5.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.xla_cpu.chunked import largest_divisor, map_chunks, sum_chunks
from cnn_evolution.xla_cpu.materialize import materialize
from cnn_evolution.xla_cpu.matmul import matmul, matmul_of_transpose
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.thresholds import WINOGRAD_BYTES, WINOGRAD_CACHE
from cnn_evolution.xla_cpu.window import Window, pad

OUTPUTS, PIXELS = 4, 6  # of a row of the tile
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # exact in binary; the points 1 and 2 of the paper would cost another digit


def _transformations() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices that transform a line of pixels, (6, 6), a whole kernel, (36, 9), and a line of products, (4, 6).

    Both factors are seen as polynomials and evaluated at the points and at infinity, where multiplication is value by
    value (the algorithm of Cook and Toom).
    """
    others = [[point for point in POINTS if point != one] for one in POINTS]
    of_pixels = np.array([*(np.append(np.poly(roots)[::-1], 0) for roots in others), np.poly(POINTS)[::-1]])
    of_weights, to_outputs = (np.vander([*POINTS, 0], size, increasing=True) for size in (3, OUTPUTS))
    of_weights[-1], to_outputs[-1] = np.eye(3)[-1], np.eye(OUTPUTS)[-1]
    differences = [np.prod(one - np.array(roots)) for one, roots in zip(POINTS, others, strict=True)]
    of_weights = of_weights / np.array([[*differences, 1]]).T
    return of_pixels, np.kron(of_weights, of_weights), to_outputs.T


OF_PIXELS, OF_KERNEL, TO_OUTPUTS = _transformations()


def tiles(problem: Problem) -> int:
    """How many tiles of outputs a batch has."""
    rows, columns = _seen(problem.window).output_size
    return problem.images * rows * columns


def forward(x: Array, kernel: Array, problem: Problem) -> Array:
    window = problem.window
    channels, features = kernel.shape[2:]
    weights = matmul(jnp.asarray(OF_KERNEL, kernel.dtype), kernel.reshape(9, -1)).reshape(-1, channels, features)
    seen = _seen(window)
    (rows, columns), (height, width) = seen.output_size, window.output_size

    def convolve(x: Array) -> Array:
        products = matmul(_values(OF_PIXELS, x, seen), weights)
        products = products.reshape(PIXELS, PIXELS, x.shape[0], rows, columns, features)
        half = materialize(lambda products: _combine(TO_OUTPUTS, list(products), axis=3), products)  # 6, N, P, 4, Q, C'
        y = _combine(TO_OUTPUTS, list(half), axis=4)  # N, P, 4, Q, 4, C'
        return y.reshape(x.shape[0], 4 * rows, 4 * columns, features)[:, :height, :width].astype(x.dtype)

    return map_chunks(convolve, largest_divisor(x.shape[0], WINOGRAD_BYTES // _bytes_of_image(x, features, window)), x)


def weight_gradient(x: Array, dy: Array, problem: Problem) -> Array:
    window = problem.window
    channels, features = x.shape[-1], dy.shape[-1]
    seen, outputs = _seen(window), _outputs(window)

    def correlate(x: Array, dy: Array) -> Array:
        return matmul_of_transpose(_values(OF_PIXELS, x, seen), _values(TO_OUTPUTS.T, dy, outputs))

    # Every chunk is added to as many values as a kernel for all pairs of channels has.
    of_kernel = PIXELS**2 * channels * features * x.dtype.itemsize
    images = largest_divisor(x.shape[0], max(WINOGRAD_CACHE, 2 * of_kernel) // _bytes_of_image(x, features, window))
    total = sum_chunks(correlate, images, x, dy)
    dw = matmul(jnp.asarray(OF_KERNEL.T, total.dtype), total.reshape(PIXELS**2, -1))
    return dw.reshape(3, 3, channels, features).astype(x.dtype)


def _values(matrix: np.ndarray, x: Array, window: Window) -> Array:
    """The transformed tiles of a map (N, H, W, C) that `window` sees: (36, N P Q, C)."""
    # Rows come first: of what they give, every column takes neighbours in memory. The other way takes a quarter longer,
    # and as much again to compile.
    x = lax.optimization_barrier(pad(x, window.padding))
    half = materialize(lambda x: _combine(matrix, _pixels(x, -3, window), axis=0), x)  # 6, N, P, W, C
    values = _combine(matrix, _pixels(half, -2, window), axis=1)
    return lax.optimization_barrier(values.reshape(PIXELS**2, -1, x.shape[-1]))


def _pixels(x: Array, axis: int, window: Window) -> list[Array]:
    """The first pixel of every tile along an axis (-2 of columns, -3 of rows), the second ones, and so on."""
    side = {-3: 0, -2: 1}[axis]
    stride = window.strides[side]
    length = (window.output_size[side] - 1) * stride + 1
    return [lax.slice_in_dim(x, i, i + length, stride, axis) for i in range(window.size[side])]


def _combine(matrix: np.ndarray, parts: list[Array], axis: int) -> Array:
    """For every row of `matrix`, the sum of the parts with its weights, along a new axis.

    As one sum over arrays with that axis XLA compiles it in a quarter of the time that it takes for a stack of sums.
    """
    shape = (*parts[0].shape[:axis], len(matrix), *parts[0].shape[axis:])
    others = [i for i in range(len(shape)) if i != axis]
    terms = [
        lax.mul(
            lax.broadcast_in_dim(part, shape, others),
            lax.broadcast_in_dim(weights.astype(part.dtype), shape, (axis,)),
        )
        for part, weights in zip(parts, matrix.T, strict=True)
        if weights.any()
    ]
    return functools.reduce(lax.add, terms)


def _seen(window: Window) -> Window:
    """The window of the pixels of each tile, the last of which may reach beyond the padded map."""
    (above, below), (left, right) = window.padding
    down, across = (-size % OUTPUTS for size in window.output_size)
    return Window((PIXELS,) * 2, (OUTPUTS,) * 2, ((above, below + down), (left, right + across)), window.map_size)


def _outputs(window: Window) -> Window:
    """The window of the outputs of each tile."""
    down, across = (-size % OUTPUTS for size in window.output_size)
    return Window((OUTPUTS,) * 2, (OUTPUTS,) * 2, ((0, down), (0, across)), window.output_size)


def _bytes_of_image(x: Array, features: int, window: Window) -> int:
    """Bytes of an image's transformed maps on both sides of the products."""
    rows, columns = _seen(window).output_size
    return PIXELS**2 * rows * columns * (x.shape[-1] + features) * x.dtype.itemsize
