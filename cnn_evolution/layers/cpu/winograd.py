"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(2x2, 3x3) (Lavin & Gray 2016, section 4.1).

Four neighbouring outputs see a tile of 4x4 pixels. Once tile and kernel are transformed, which takes additions only,
they are multiplied value by value: 16 multiplications instead of 36. Over all tiles and channels these are 16 products
of matrices. The transformed map is four times as large, so images are taken a few at a time.

Against XLA's kernel and the correlation of images in dense.py, batch 16, forward and weight gradient: 64 channels at 56
pixels 37 and 41 ms became 15 and 27; 256 at 14 pixels 19 and 20 became 10 and 15; 128 at 112 pixels 366 and 489 became
215 and 264. The result is as exact: for so small a tile the transformations only add and halve.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.layers.cpu.parts import images_in_cache, map_parts, sum_parts
from cnn_evolution.layers.cpu.products import product, product_of_transpose
from cnn_evolution.layers.cpu.window import Window, scatter, taps

CACHE = 2**25  # bytes of transformed maps at a time: what the cores' common cache holds


def suits(window: Window, channels: int, features: int, dtype: jnp.dtype) -> bool:
    """Whether this is the faster way: enough channels for products of matrices, and maps of some tiles.

    Below 32 bits the differences of pixels would lose too much.
    """
    return (
        (window.size, window.strides) == ((3, 3), (1, 1))
        and min(channels, features) >= 32
        and min(window.output_size) >= 4
        and dtype.itemsize >= 4
    )


def suits_weight_gradient(window: Window, channels: int, features: int, dtype: jnp.dtype) -> bool:
    """Whether it is for the gradient of the kernel, which needs larger maps and more channels."""
    large = max(channels, features) >= 64 and min(window.output_size) >= 8
    return large and suits(window, channels, features, dtype)


def forward(x: Array, kernel: Array, window: Window) -> Array:
    channels, features = kernel.shape[2:]
    weights = _stored(_transformed(_of_kernel, kernel.reshape(9, channels, features)))
    tiles, outputs = _tiles(window), _outputs(window)

    def convolve(x: Array) -> Array:
        values = _matrices(_transformed(_of_map, taps(x, tiles)))
        products = _stored([product(value, weight) for value, weight in zip(values, weights, strict=True)])
        maps = [values.reshape(x.shape[0], *tiles.output_size, features) for values in products]
        return scatter(_transformed(_of_products, maps), outputs).astype(x.dtype)

    return map_parts(convolve, _images(x, features, tiles, CACHE), x)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    channels, features = x.shape[-1], dy.shape[-1]
    tiles, outputs = _tiles(window), _outputs(window)

    def correlate(x: Array, dy: Array) -> Array:
        values = _matrices(_transformed(_of_map, taps(x, tiles)))
        gradients = _matrices(_transformed(_of_gradient, taps(dy, outputs)))
        return jnp.stack([product_of_transpose(*pair) for pair in zip(values, gradients, strict=True)])

    total = sum_parts(correlate, _images(x, features, tiles, CACHE // 2), x, dy)
    return jnp.stack(_transformed(_to_kernel, total)).reshape(3, 3, channels, features).astype(x.dtype)


# The transformations of a row or a column: of the map, of the kernel, from the products to pixels, and the adjoints of
# the last two.


def _of_map(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a - c, b + c, c - b, b - d]


def _of_kernel(a: Array, b: Array, c: Array) -> list[Array]:
    return [a, (a + b + c) / 2, (a - b + c) / 2, c]


def _of_products(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a + b + c, b - c - d]


def _of_gradient(a: Array, b: Array) -> list[Array]:
    return [a, a + b, a - b, -b]


def _to_kernel(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d]


def _transformed(of_line: Callable[..., list[Array]], values: Sequence[Array] | Array) -> list[Array]:
    """`of_line` of the rows and then the columns of a square of values, given and returned row by row."""
    side = round(len(values) ** 0.5)
    rows = [of_line(*values[row * side : (row + 1) * side]) for row in range(side)]
    columns = [of_line(*column) for column in zip(*rows, strict=True)]
    return [value for row in zip(*columns, strict=True) for value in row]


def _matrices(values: Sequence[Array]) -> list[Array]:
    return _stored([value.reshape(-1, value.shape[-1]) for value in values])


def _stored(values: list[Array]) -> list[Array]:
    """Keeps XLA from computing them within a product or a sum that uses them, once for every use."""
    return list(lax.optimization_barrier(tuple(values)))


def _outputs(window: Window) -> Window:
    """The window of the 2x2 outputs of each tile, the last of which may lie outside of the map."""
    (height, width) = window.output_size
    return Window((2, 2), (2, 2), ((0, height % 2), (0, width % 2)), window.output_size)


def _tiles(window: Window) -> Window:
    """The window of the 4x4 pixels of each tile."""
    (above, below), (left, right) = window.padding
    height, width = window.output_size
    return Window((4, 4), (2, 2), ((above, below + height % 2), (left, right + width % 2)), window.map_size)


def _images(x: Array, features: int, tiles: Window, cache: int) -> int:
    rows, columns = tiles.output_size
    return images_in_cache(x.shape[0], 16 * rows * columns * (x.shape[-1] + features) * x.dtype.itemsize, cache)
