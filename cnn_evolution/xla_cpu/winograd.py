"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(4x4, 3x3) (Lavin & Gray 2016, section 4.3).

A tile of 4x4 outputs sees 6x6 pixels. Once these and the kernel are transformed, which takes additions and
multiplications by constants, they are multiplied value by value: 36 multiplications instead of 144. Over all tiles and
channels these are 36 products of matrices. The transformed map is 2.25 times as large, so of large maps a few images
are taken at a time. Every loop over parts takes its own time to compile, so there are few.

Rounding is a few millionths of a map's largest value instead of one. In a whole network less is left of it: logits of
VGG-16 differ from those in float64 by 1.5e-6 of their root mean square instead of 0.8e-6, of ResNet-50 by 0.50e-6
instead of 0.41e-6. Where a network amplifies rounding, direct convolutions lose as much: with statistics of four images
the largest difference of ResNet-50's logits is 7.6e-5 of the largest logit, with XLA's own convolutions 5.4e-5, with
torch's 6.9e-5; of wide ResNet-50-2's 5.2e-5, 5.3e-5 and 8.0e-5.

Against XLA's kernel and the correlation of images in dense.py, batch 16, forward and gradient of the kernel: 64
channels at 56 pixels 25 and 36 ms became 22 and 27, 128 at 28 pixels 24 and 27 became 14 and 15, 256 at 14 pixels 25
and 25 became 14 and 16, 64 at 224 pixels 416 and 524 became 329 and 421.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.xla_cpu.once import once
from cnn_evolution.xla_cpu.parts import largest_divisor, map_parts, sum_parts
from cnn_evolution.xla_cpu.products import product, product_of_transpose
from cnn_evolution.xla_cpu.window import Window, pad

MOST_BYTES = 2**28  # of transformed maps at a time
CACHE = 2**24  # bytes of transformed maps that surely stay in the last cache
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


def suits(x: Array, features: int, window: Window) -> bool:
    """Whether this is the faster way.

    Fewer channels or tiles make no product of matrices; below 32 bits the differences of pixels lose too much.
    """
    rows, columns = _seen(window).output_size
    return (
        (window.size, window.strides) == ((3, 3), (1, 1))
        and min(x.shape[-1], features) >= 64
        and min(window.output_size) >= 7
        and x.shape[0] * rows * columns >= 32
        and x.dtype.itemsize >= 4
    )


def forward(x: Array, kernel: Array, window: Window) -> Array:
    channels, features = kernel.shape[2:]
    weights = product(jnp.asarray(OF_KERNEL, kernel.dtype), kernel.reshape(9, -1)).reshape(-1, channels, features)
    seen = _seen(window)
    (rows, columns), (height, width) = seen.output_size, window.output_size

    def convolve(x: Array) -> Array:
        products = product(_values(OF_PIXELS, x, seen), weights)
        products = products.reshape(PIXELS, PIXELS, x.shape[0], rows, columns, features)
        half = once(lambda products: _combine(TO_OUTPUTS, list(products), axis=3), products)  # 6, N, P, 4, Q, C'
        y = _combine(TO_OUTPUTS, list(half), axis=4)  # N, P, 4, Q, 4, C'
        return y.reshape(x.shape[0], 4 * rows, 4 * columns, features)[:, :height, :width].astype(x.dtype)

    return map_parts(convolve, largest_divisor(x.shape[0], MOST_BYTES // _bytes_of_image(x, features, window)), x)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    channels, features = x.shape[-1], dy.shape[-1]
    seen, outputs = _seen(window), _outputs(window)

    def correlate(x: Array, dy: Array) -> Array:
        return product_of_transpose(_values(OF_PIXELS, x, seen), _values(TO_OUTPUTS.T, dy, outputs))

    # Every part is added to as many values as a kernel for all pairs of channels has.
    of_kernel = PIXELS**2 * channels * features * x.dtype.itemsize
    images = largest_divisor(x.shape[0], max(CACHE, 2 * of_kernel) // _bytes_of_image(x, features, window))
    total = sum_parts(correlate, images, x, dy)
    dw = product(jnp.asarray(OF_KERNEL.T, total.dtype), total.reshape(PIXELS**2, -1))
    return dw.reshape(3, 3, channels, features).astype(x.dtype)


def _values(matrix: np.ndarray, x: Array, window: Window) -> Array:
    """The transformed tiles of a map (N, H, W, C) that `window` sees: (36, N P Q, C)."""
    # Rows come first: of what they give, every column takes neighbours in memory. The other way takes a quarter longer,
    # and as much again to compile.
    x = lax.optimization_barrier(pad(x, window.padding))
    half = once(lambda x: _combine(matrix, _pixels(x, -3, window), axis=0), x)  # 6, N, P, W, C
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
