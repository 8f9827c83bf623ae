"""3x3 convolution at stride 1 with fewer multiplications: Winograd's F(4x4, 3x3) (Lavin & Gray 2016, section 4).

A tile of 4x4 outputs sees 6x6 pixels. Once these and the kernel are transformed, which takes additions and
multiplications by constants, they are multiplied value by value: 36 multiplications instead of 144. Over all tiles and
channels these are 36 products of matrices. The transformed map is more than twice as large, so of large maps a few
images are taken at a time.

Against XLA's kernel and the correlation of images in dense.py, batch 16, forward and weight gradient: 64 channels at 56
pixels 60 and 125 ms became 25 and 27; 256 at 14 pixels 33 and 63 became 18 and 21; 256 at 56 pixels 467 and 1050 became
239 and 187. The result differs by a few millionths of the largest value, where XLA's differs by two ten-millionths.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnn_evolution.layers.cpu.parts import largest_divisor, map_parts, sum_parts
from cnn_evolution.layers.cpu.products import product, product_of_transpose
from cnn_evolution.layers.cpu.window import Window, pad, scatter

CACHE = 2**26  # bytes of transformed maps at a time

# The transformations of a row or a column evaluate polynomials at these points, at 0 and at infinity (Blahut 2010,
# section 5.2). All numbers are exact in binary; the points 1 and 2 of the paper would lose a digit more.
NEAR, FAR = 0.75, 1.5
NEAR2, FAR2 = NEAR**2, FAR**2


def _of_map(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array) -> list[Array]:
    """Six pixels, whose transformations are the coefficients of the polynomials that vanish at all other points."""
    near, odd_near = e - FAR2 * c, NEAR * (d - FAR2 * b)
    far, odd_far = e - NEAR2 * c, FAR * (d - NEAR2 * b)
    zero, infinity = (
        NEAR2 * FAR2 * low - (NEAR2 + FAR2) * middle + high for low, middle, high in ((a, c, e), (b, d, f))
    )
    return [zero, near + odd_near, near - odd_near, far + odd_far, far - odd_far, infinity]


def _to_outputs(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array) -> list[Array]:
    """Four outputs: the sums of the six products, times the powers of their points."""
    near, odd_near, far, odd_far = b + c, NEAR * (b - c), d + e, FAR * (d - e)
    return [a + near + far, odd_near + odd_far, NEAR2 * near + FAR2 * far, NEAR2 * odd_near + FAR2 * odd_far + f]


def _of_gradient(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    """The adjoint of `_to_outputs`."""
    near, odd_near = a + NEAR2 * c, NEAR * (b + NEAR2 * d)
    far, odd_far = a + FAR2 * c, FAR * (b + FAR2 * d)
    return [a, near + odd_near, near - odd_near, far + odd_far, far - odd_far, d]


def _of_kernel() -> np.ndarray:
    """Both transformations of a kernel at once, (36, 9)."""
    points = np.array([0, NEAR, -NEAR, FAR, -FAR])
    differences = points[:, None] - points + np.eye(5)
    line = np.vander(points, 3, increasing=True) / differences.prod(axis=1, keepdims=True)
    line = np.concatenate([line, [[0, 0, 1]]])
    return np.kron(line, line)


_OF_KERNEL = _of_kernel()


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
    tiles, outputs = _tiles(window), _outputs(window)

    def convolve(x: Array) -> Array:
        products = product(_values(_of_map, x, tiles), weights)
        # The barrier keeps XLA from computing the products within the sums, one by one.
        rows = lax.optimization_barrier(products).reshape(6, 6, x.shape[0], *tiles.output_size, features)
        rows = lax.optimization_barrier(jnp.stack(_to_outputs(*rows)))
        blocks = [block for row in rows for block in _to_outputs(*row)]
        return scatter(blocks, outputs).astype(x.dtype)

    return map_parts(convolve, _images(x, features, tiles, CACHE), x)


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    channels, features = x.shape[-1], dy.shape[-1]
    tiles, outputs = _tiles(window), _outputs(window)

    def correlate(x: Array, dy: Array) -> Array:
        return product_of_transpose(_values(_of_map, x, tiles), _values(_of_gradient, dy, outputs))

    total = sum_parts(correlate, _images(x, features, tiles, CACHE // 4), x, dy)
    dw = product(jnp.asarray(_OF_KERNEL.T, total.dtype), total.reshape(36, -1))
    return dw.reshape(3, 3, channels, features).astype(x.dtype)


def _values(of_line: Callable[..., list[Array]], x: Array, window: Window) -> Array:
    """The transformed tiles of a map (N, H, W, C) that `window` sees: (36, N P Q, C).

    Columns and rows one after the other, each as one array: as 36 arrays they would take twice as long to compile.
    """
    values = pad(x, window.padding)
    for axis, size, number in (
        (-2, window.size[1], window.output_size[1]),
        (-3, window.size[0], window.output_size[0]),
    ):
        # The barriers keep XLA from computing what comes before anew for every pixel that sees it.
        values = lax.optimization_barrier(values)
        pixels = [lax.slice_in_dim(values, i, i + 4 * number - 3, 4, axis) for i in range(size)]
        values = jnp.stack(of_line(*pixels))
    return lax.optimization_barrier(values.reshape(36, -1, x.shape[-1]))


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
