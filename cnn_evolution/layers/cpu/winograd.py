"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(4x4, 3x3) (Lavin & Gray 2016, section 4).

A tile of 4x4 outputs sees 6x6 pixels. Once these and the kernel are transformed, which takes additions and
multiplications by constants, they are multiplied value by value: 36 multiplications instead of 144. Over all tiles and
channels these are 36 products of matrices. The transformed map is more than twice as large, so of large maps a few
images are taken at a time.

Against XLA's kernel and the correlation of images in dense.py, batch 16, forward and weight gradient: 64 channels at 56
pixels 60 and 125 ms became 25 and 27; 256 at 14 pixels 33 and 63 became 18 and 21; 256 at 56 pixels 467 and 1050 became
239 and 187. The result differs by a few millionths of the largest value, where XLA's differs by two ten-millionths.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.layers.cpu.parts import largest_divisor, map_parts, sum_parts
from cnn_evolution.layers.cpu.products import product, product_of_transpose
from cnn_evolution.layers.cpu.window import Window, pad

CACHE = 2**26  # bytes of transformed maps at a time

# Both factors of a product are seen as polynomials and evaluated at these points and at infinity, where multiplication
# is value by value (the algorithm of Cook and Toom). They are exact in binary, as are most numbers that follow from
# them; the points 1 and 2 of the paper would cost another digit.
POINTS = (0, 0.75, -0.75, 1.5, -1.5)


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The transformations of a line: of 6 pixels (6, 6), of 3 weights (6, 3), and of 6 products to 4 outputs (4, 6)."""
    others = [[point for point in POINTS if point != one] for one in POINTS]
    of_pixels = np.array([*(np.append(np.poly(roots)[::-1], 0) for roots in others), np.poly(POINTS)[::-1]])
    of_weights, to_outputs = (np.vander([*POINTS, 0], size, increasing=True) for size in (3, 4))
    of_weights[-1], to_outputs[-1] = np.eye(3)[-1], np.eye(4)[-1]
    differences = [np.prod(one - np.array(roots)) for one, roots in zip(POINTS, others, strict=True)]
    return of_pixels, of_weights / np.array([[*differences, 1]]).T, to_outputs.T


_OF_PIXELS, _OF_WEIGHTS, _TO_OUTPUTS = _matrices()
_OF_KERNEL = np.kron(_OF_WEIGHTS, _OF_WEIGHTS)  # both its lines at once, (36, 9)


def suits(x: Array, features: int, window: Window) -> bool:
    """Whether this is the faster way: not for so large maps that an image's transformed ones are far from any cache."""
    return suits_weight_gradient(x, features, window) and _bytes_of_image(_tiles(window), x, features) <= CACHE // 2


def suits_weight_gradient(x: Array, features: int, window: Window) -> bool:
    """Whether it is for the gradient of the kernel.

    Fewer channels or tiles make no product of matrices, and below 32 bits the differences of pixels would lose too
    much.
    """
    rows, columns = _tiles(window).output_size
    return (
        (window.size, window.strides) == ((3, 3), (1, 1))
        and min(x.shape[-1], features) >= 32
        and max(x.shape[-1], features) >= 48
        and min(window.output_size) >= 4
        and x.shape[0] * rows * columns >= 32
        and x.dtype.itemsize >= 4
    )


def forward(x: Array, kernel: Array, window: Window) -> Array:
    channels, features = kernel.shape[2:]
    weights = product(jnp.asarray(_OF_KERNEL, kernel.dtype), kernel.reshape(9, -1)).reshape(36, channels, features)
    tiles = _tiles(window)
    (rows, columns), (height, width) = tiles.output_size, window.output_size

    def convolve(x: Array) -> Array:
        products = product(_values(_OF_PIXELS, x, tiles), weights)
        # The barrier keeps XLA from computing the products within the sums, one by one.
        products = lax.optimization_barrier(products).reshape(6, 6, x.shape[0], rows, columns, features)
        half = _combine_first(_TO_OUTPUTS, list(products), axis=3)  # 6 N P 4 Q C'
        y = _combine(_TO_OUTPUTS, list(half), axis=4)  # N P 4 Q 4 C'
        return y.reshape(x.shape[0], 4 * rows, 4 * columns, features)[:, :height, :width].astype(x.dtype)

    return map_parts(convolve, _images(x, features, tiles, CACHE), x)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    channels, features = x.shape[-1], dy.shape[-1]
    tiles, outputs = _tiles(window), _outputs(window)

    def correlate(x: Array, dy: Array) -> Array:
        return product_of_transpose(_values(_OF_PIXELS, x, tiles), _values(_TO_OUTPUTS.T, dy, outputs))

    total = sum_parts(correlate, _images(x, features, tiles, CACHE // 4), x, dy)
    dw = product(jnp.asarray(_OF_KERNEL.T, total.dtype), total.reshape(36, -1))
    return dw.reshape(3, 3, channels, features).astype(x.dtype)


def _values(matrix: np.ndarray, x: Array, window: Window) -> Array:
    """The transformed tiles of a map (N, H, W, C) that `window` sees: (36, N P Q, C)."""
    # The barriers keep XLA from computing what comes before anew for every pixel that sees it.
    x = lax.optimization_barrier(pad(x, window.padding))
    half = _combine_first(matrix, _pixels(x, -2, window.size[1], window.output_size[1]), axis=0)
    values = _combine(matrix, _pixels(half, -3, window.size[0], window.output_size[0]), axis=0)
    return lax.optimization_barrier(values.reshape(36, -1, x.shape[-1]))


def _pixels(x: Array, axis: int, size: int, tiles: int) -> list[Array]:
    """The first pixel of every tile along an axis, the second ones, and so on."""
    return [lax.slice_in_dim(x, i, i + 4 * tiles - 3, 4, axis) for i in range(size)]


def _combine(matrix: np.ndarray, parts: list[Array], axis: int) -> Array:
    """For every row of `matrix`, the sum of the parts with its weights, along a new axis.

    As one sum over arrays with that axis XLA compiles it in a quarter of the time that it takes for a stack of sums.
    """
    shape = [1] * (parts[0].ndim + 1)
    shape[axis] = -1
    weights = jnp.asarray(matrix, parts[0].dtype)
    terms = [
        jnp.expand_dims(part, axis) * weights[:, i].reshape(shape) for i, part in enumerate(parts) if matrix[:, i].any()
    ]
    return functools.reduce(jnp.add, terms)


def _combine_first(matrix: np.ndarray, parts: list[Array], axis: int) -> Array:
    """`_combine`, joined from two halves: what is joined XLA does not compute anew for all that is combined from it."""
    return jnp.concatenate([_combine(half, parts, axis) for half in np.split(matrix, 2)], axis)


def _tiles(window: Window) -> Window:
    """The window of the 6x6 pixels of each tile, the last of which may reach beyond the padded map."""
    (above, below), (left, right) = window.padding
    down, across = (-size % 4 for size in window.output_size)
    return Window((6, 6), (4, 4), ((above, below + down), (left, right + across)), window.map_size)


def _outputs(window: Window) -> Window:
    """The window of the 4x4 outputs of each tile."""
    down, across = (-size % 4 for size in window.output_size)
    return Window((4, 4), (4, 4), ((0, down), (0, across)), window.output_size)


def _images(x: Array, features: int, tiles: Window, cache: int) -> int:
    """How many images are taken at a time."""
    return largest_divisor(x.shape[0], cache // _bytes_of_image(tiles, x, features))


def _bytes_of_image(tiles: Window, x: Array, features: int) -> int:
    """Bytes of the transformed maps on both sides of the products."""
    rows, columns = tiles.output_size
    return 36 * rows * columns * (x.shape[-1] + features) * x.dtype.itemsize
