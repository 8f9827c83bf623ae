"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(2x2, 3x3) (Lavin & Gray 2016, section 4.1).

Four neighbouring outputs see a tile of 4x4 pixels. Once tile and kernel are transformed, which takes additions only,
they are multiplied value by value: 16 multiplications instead of 36. Over all tiles and channels these are 16 products
of matrices. The transformed map is four times as large, so images are taken a few at a time.

Against XLA's kernel and the correlation of images in dense.py, batch 16, forward and weight gradient: 64 channels at 56
pixels 38 and 40 ms became 21 and 26; 256 at 14 pixels 20 and 20 became 11 and 14; 128 at 112 pixels 342 and 489 became
281 and 297. The result is as exact: for so small a tile the transformations only add and halve.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.layers.cpu.parts import largest_divisor, map_parts, sum_parts
from cnn_evolution.layers.cpu.products import product, product_of_transpose
from cnn_evolution.layers.cpu.window import Window, pad, scatter

CACHE = 2**25  # bytes of transformed maps at a time: what the cores' common cache holds

# The transformations of a row or a column. Both are applied one after the other, or at once to the small kernel.
_OF_KERNEL_LINE = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_OF_KERNEL = np.kron(_OF_KERNEL_LINE, _OF_KERNEL_LINE)  # (16, 9)


def _of_map(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a - c, b + c, c - b, b - d]


def _to_outputs(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a + b + c, b - c - d]


def _of_gradient(a: Array, b: Array) -> list[Array]:
    """The adjoint of `_to_outputs`."""
    return [a, a + b, a - b, -b]


def suits(window: Window, channels: int, features: int, dtype: jnp.dtype) -> bool:
    """Whether this is the faster way: maps of some tiles, but not so many that an image's are far from any cache."""
    return (
        _is_possible(window, channels, features, dtype)
        and min(window.output_size) >= 4
        and _bytes_of_image(_tiles(window), channels, features, dtype) <= 2 * CACHE
    )


def suits_weight_gradient(window: Window, channels: int, features: int, dtype: jnp.dtype) -> bool:
    """Whether it is for the gradient of the kernel, which needs larger maps."""
    return _is_possible(window, channels, features, dtype) and min(window.output_size) >= 8


def _is_possible(window: Window, channels: int, features: int, dtype: jnp.dtype) -> bool:
    """Fewer channels make no product of matrices, and below 32 bits the differences of pixels would lose too much."""
    return (
        (window.size, window.strides) == ((3, 3), (1, 1))
        and min(channels, features) >= 32
        and max(channels, features) >= 48
        and dtype.itemsize >= 4
    )


def forward(x: Array, kernel: Array, window: Window) -> Array:
    channels, features = kernel.shape[2:]
    weights = product(jnp.asarray(_OF_KERNEL, kernel.dtype), kernel.reshape(9, -1)).reshape(16, channels, features)
    tiles, outputs = _tiles(window), _outputs(window)

    def convolve(x: Array) -> Array:
        products = product(_values(_of_map, x, tiles), weights)
        # The barrier keeps XLA from computing the products within the sums, one by one.
        rows = lax.optimization_barrier(products).reshape(4, 4, x.shape[0], *tiles.output_size, features)
        blocks = [block for row in _to_outputs(*rows) for block in _to_outputs(*row)]
        return scatter(blocks, outputs).astype(x.dtype)

    return map_parts(convolve, _images(x, features, tiles, CACHE), x)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    channels, features = x.shape[-1], dy.shape[-1]
    tiles, outputs = _tiles(window), _outputs(window)

    def correlate(x: Array, dy: Array) -> Array:
        return product_of_transpose(_values(_of_map, x, tiles), _values(_of_gradient, dy, outputs))

    total = sum_parts(correlate, _images(x, features, tiles, CACHE // 2), x, dy)
    dw = product(jnp.asarray(_OF_KERNEL.T, total.dtype), total.reshape(16, -1))
    return dw.reshape(3, 3, channels, features).astype(x.dtype)


def _values(of_line: Callable[..., list[Array]], x: Array, window: Window) -> Array:
    """The transformed tiles of a map (N, H, W, C) that `window` sees: (16, N P Q, C).

    Columns and rows one after the other, each as one array: as 16 arrays they would take twice as long to compile.
    """
    values = pad(x, window.padding)
    for axis, size, number in (
        (-2, window.size[1], window.output_size[1]),
        (-3, window.size[0], window.output_size[0]),
    ):
        # The barriers keep XLA from computing what comes before anew for every pixel that sees it.
        values = lax.optimization_barrier(values)
        pixels = [lax.slice_in_dim(values, i, i + 2 * number - 1, 2, axis) for i in range(size)]
        values = jnp.stack(of_line(*pixels))
    return lax.optimization_barrier(values.reshape(16, -1, x.shape[-1]))


def _tiles(window: Window) -> Window:
    """The window of the 4x4 pixels of each tile, the last of which may reach one pixel beyond the padded map."""
    (above, below), (left, right) = window.padding
    height, width = window.output_size
    return Window((4, 4), (2, 2), ((above, below + height % 2), (left, right + width % 2)), window.map_size)


def _outputs(window: Window) -> Window:
    """The window of the 2x2 outputs of each tile."""
    height, width = window.output_size
    return Window((2, 2), (2, 2), ((0, height % 2), (0, width % 2)), (height, width))


def _images(x: Array, features: int, tiles: Window, cache: int) -> int:
    """How many images are taken at a time."""
    return largest_divisor(x.shape[0], cache // _bytes_of_image(tiles, x.shape[-1], features, x.dtype))


def _bytes_of_image(tiles: Window, channels: int, features: int, dtype: jnp.dtype) -> int:
    """Bytes of the transformed maps on both sides of the products."""
    rows, columns = tiles.output_size
    return 16 * rows * columns * (channels + features) * dtype.itemsize
