"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(m x m, 3x3) (Lavin & Gray 2016, section 4).

A tile of m x m outputs sees m + 2 pixels of m + 2 rows. Once these and the kernel are transformed, which takes
additions and multiplications by constants, they are multiplied value by value: for m = 4 36 multiplications instead of
144, for m = 2 16 instead of 36. Over all tiles and channels these are as many products of matrices. The transformed map
is two or four times as large, so of large maps a few images are taken at a time.

The gradient of the kernel takes m = 4. The forward pass and the gradient of the map take m = 2: there larger tiles are
faster too, by a twentieth for ResNet-50 and a fifth for VGG-16, but their rounding is a few millionths of the largest
value instead of one, and deep networks can amplify it: wide ResNet-50-2, evaluated with statistics of few images, left
its peer by 1.1e-4 of the largest logit, where direct convolutions leave it by 0.7e-4.

Against XLA's kernel and the correlation of images in dense.py, batch 16, forward and weight gradient: 128 channels at
28 pixels 23 and 27 ms became 18 and 19; 256 at 14 pixels 21 and 24 became 15 and 17.
"""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.layers.cpu.parts import largest_divisor, map_parts, sum_parts
from cnn_evolution.layers.cpu.products import product, product_of_transpose
from cnn_evolution.layers.cpu.window import Window, pad

CACHE = 2**26  # bytes of transformed maps at a time


@dataclasses.dataclass(frozen=True)
class Tile:
    """The transformations for tiles of m x m outputs.

    Attributes:
      outputs: m.
      pixels: m + 2, that a row of the tile sees.
      of_pixels: Transforms a line of pixels, (m + 2, m + 2).
      of_kernel: Transforms a whole kernel, ((m + 2)^2, 9).
      to_outputs: Transforms a line of products, (m, m + 2).
    """

    outputs: int
    pixels: int
    of_pixels: np.ndarray
    of_kernel: np.ndarray
    to_outputs: np.ndarray


def _tile(*points: float) -> Tile:
    """Both factors are seen as polynomials and evaluated at these points and at infinity.

    There multiplication is value by value (the algorithm of Cook and Toom). With n points m is n - 1.
    """
    outputs, pixels = len(points) - 1, len(points) + 1
    others = [[point for point in points if point != one] for one in points]
    of_pixels = np.array([*(np.append(np.poly(roots)[::-1], 0) for roots in others), np.poly(points)[::-1]])
    of_weights, to_outputs = (np.vander([*points, 0], size, increasing=True) for size in (3, outputs))
    of_weights[-1], to_outputs[-1] = np.eye(3)[-1], np.eye(outputs)[-1]
    differences = [np.prod(one - np.array(roots)) for one, roots in zip(points, others, strict=True)]
    of_weights = of_weights / np.array([[*differences, 1]]).T
    return Tile(outputs, pixels, of_pixels, np.kron(of_weights, of_weights), to_outputs.T)


SMALL = _tile(0.0, 1.0, -1.0)
LARGE = _tile(0.0, 0.75, -0.75, 1.5, -1.5)  # exact in binary; the points 1 and 2 of the paper would cost another digit


def suits(x: Array, features: int, window: Window) -> bool:
    """Whether this is the faster way: not for so large maps that an image's transformed ones are far from any cache."""
    return _is_possible(x, features, window, channels=128) and _bytes_of_image(SMALL, x, features, window) <= CACHE


def suits_weight_gradient(x: Array, features: int, window: Window) -> bool:
    """Whether it is for the gradient of the kernel."""
    return _is_possible(x, features, window, channels=64)


def _is_possible(x: Array, features: int, window: Window, channels: int) -> bool:
    """Fewer channels or tiles make no product of matrices; below 32 bits the differences of pixels lose too much."""
    rows, columns = _seen(LARGE, window).output_size
    return (
        (window.size, window.strides) == ((3, 3), (1, 1))
        and min(x.shape[-1], features) >= channels
        and min(window.output_size) >= 7
        and x.shape[0] * rows * columns >= 32
        and x.dtype.itemsize >= 4
    )


def forward(x: Array, kernel: Array, window: Window) -> Array:
    tile = SMALL
    channels, features = kernel.shape[2:]
    weights = product(jnp.asarray(tile.of_kernel, kernel.dtype), kernel.reshape(9, -1)).reshape(-1, channels, features)
    seen, m = _seen(tile, window), tile.outputs
    (rows, columns), (height, width) = seen.output_size, window.output_size

    def convolve(x: Array) -> Array:
        products = product(_values(tile.of_pixels, x, seen), weights)
        # The barrier keeps XLA from computing the products within the sums, one by one.
        products = lax.optimization_barrier(products)
        products = products.reshape(tile.pixels, tile.pixels, x.shape[0], rows, columns, features)
        half = _combine_first(tile.to_outputs, list(products), axis=3)  # m + 2, N, P, m, Q, C'
        y = _combine(tile.to_outputs, list(half), axis=4)  # N, P, m, Q, m, C'
        return y.reshape(x.shape[0], m * rows, m * columns, features)[:, :height, :width].astype(x.dtype)

    return map_parts(convolve, largest_divisor(x.shape[0], CACHE // _bytes_of_image(tile, x, features, window)), x)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    tile = LARGE
    channels, features = x.shape[-1], dy.shape[-1]
    seen, outputs = _seen(tile, window), _outputs(tile, window)

    def correlate(x: Array, dy: Array) -> Array:
        return product_of_transpose(_values(tile.of_pixels, x, seen), _values(tile.to_outputs.T, dy, outputs))

    images = largest_divisor(x.shape[0], CACHE // 4 // _bytes_of_image(tile, x, features, window))
    total = sum_parts(correlate, images, x, dy)
    dw = product(jnp.asarray(tile.of_kernel.T, total.dtype), total.reshape(tile.pixels**2, -1))
    return dw.reshape(3, 3, channels, features).astype(x.dtype)


def _values(matrix: np.ndarray, x: Array, window: Window) -> Array:
    """The transformed tiles of a map (N, H, W, C) that `window` sees: (values of a tile, N P Q, C)."""
    # The barriers keep XLA from computing what comes before anew for every pixel that sees it.
    x = lax.optimization_barrier(pad(x, window.padding))
    half = _combine_first(matrix, _pixels(x, -2, window), axis=0)
    values = _combine(matrix, _pixels(half, -3, window), axis=0)
    return lax.optimization_barrier(values.reshape(len(matrix) ** 2, -1, x.shape[-1]))


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


def _seen(tile: Tile, window: Window) -> Window:
    """The window of the pixels of each tile, the last of which may reach beyond the padded map."""
    m, (above, below), (left, right) = tile.outputs, *window.padding
    down, across = (-size % m for size in window.output_size)
    return Window((tile.pixels,) * 2, (m, m), ((above, below + down), (left, right + across)), window.map_size)


def _outputs(tile: Tile, window: Window) -> Window:
    """The window of the outputs of each tile."""
    m = tile.outputs
    down, across = (-size % m for size in window.output_size)
    return Window((m, m), (m, m), ((0, down), (0, across)), window.output_size)


def _bytes_of_image(tile: Tile, x: Array, features: int, window: Window) -> int:
    """Bytes of an image's transformed maps on both sides of the products."""
    rows, columns = _seen(tile, window).output_size
    return tile.pixels**2 * rows * columns * (x.shape[-1] + features) * x.dtype.itemsize
