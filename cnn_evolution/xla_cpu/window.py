"""What a kernel or a pooling window sees of a map, as slices."""

import dataclasses
import functools
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


@dataclasses.dataclass(frozen=True)
class Window:
    """A window of `size` pixels moving over a map: all that is static about a convolution or a pooling.

    Attributes:
      size: Height and width of the kernel.
      strides: Steps down and to the right.
      padding: Pixels added (above, below) and (left, right) of the map.
      map_size: Height and width of the map, without padding.
    """

    size: Pair
    strides: Pair
    padding: Pads
    map_size: Pair

    @property
    def padded_size(self) -> Pair:
        height, width = (size + sum(pads) for size, pads in zip(self.map_size, self.padding, strict=True))
        return height, width

    @property
    def output_size(self) -> Pair:
        height, width = (
            (padded - size) // stride + 1
            for padded, size, stride in zip(self.padded_size, self.size, self.strides, strict=True)
        )
        return height, width

    @property
    def taps(self) -> int:
        """Pixels in the window."""
        return self.size[0] * self.size[1]

    @property
    def back(self) -> "Window":
        """The window over the outputs of a convolution at stride 1 that gives the gradient of its inputs.

        The kernel is then the one turned around.
        """
        rows, columns = (
            (size - 1 - before, size - 1 - after) for size, (before, after) in zip(self.size, self.padding, strict=True)
        )
        return Window(self.size, (1, 1), (rows, columns), self.output_size)


def pad(x: Array, padding: Pads, value: float = 0) -> Array:
    """Pads the height and width of (N, H, W, C); a negative padding crops."""
    if padding == ((0, 0), (0, 0)):
        return x
    return lax.pad(x, jnp.asarray(value, x.dtype), [(0, 0, 0), *((lo, hi, 0) for lo, hi in padding), (0, 0, 0)])


def taps(x: Array, window: Window, padding_value: float = 0) -> list[Array]:
    """What each pixel of the window sees of the map `x` (N, H, W, C), row by row: views (N, H', W', C)."""
    # Without the barrier XLA would pad anew for every view.
    padded = lax.optimization_barrier(pad(x, window.padding, padding_value))
    n, _, _, channels = padded.shape
    (down, right), (height, width) = window.strides, window.output_size
    return [
        lax.slice(
            padded,
            (0, row, column, 0),
            (n, row + (height - 1) * down + 1, column + (width - 1) * right + 1, channels),
            (1, down, right, 1),
        )
        for row in range(window.size[0])
        for column in range(window.size[1])
    ]


def scatter(parts: Sequence[Array], window: Window) -> Array:
    """The adjoint of `taps`: adds each tap's part (N, H', W', C) to the pixels of a map (N, H, W, C) that it saw.

    Pixels that are a stride apart are seen by the same taps, so their values are a sum of shifted parts; the maps of
    all remainders are then interleaved. XLA fuses this into one pass, where it would run gradients of pooling pixel by
    pixel and gradients of strided convolutions on maps blown up with zeros.
    """
    n, _, _, channels = parts[0].shape
    (height, width), (down, right) = window.map_size, window.strides
    rows, columns = -(-height // down), -(-width // right)

    def total(row_taps: list[Tap], column_taps: list[Tap]) -> Array:
        seen = [
            pad(parts[row * window.size[1] + column], (row_pads, column_pads))
            for row, row_pads in row_taps
            for column, column_pads in column_taps
        ]
        return functools.reduce(jnp.add, seen) if seen else jnp.zeros((n, rows, columns, channels), parts[0].dtype)

    maps = [[total(row_taps, column_taps) for column_taps in _reach(window, 1)] for row_taps in _reach(window, 0)]
    if window.strides == (1, 1):
        return maps[0][0]
    whole = jnp.stack([jnp.stack(row, axis=3) for row in maps], axis=2)
    return whole.reshape(n, rows * down, columns * right, channels)[:, :height, :width]


Tap = tuple[int, Pair]


def _reach(window: Window, axis: int) -> list[list[Tap]]:
    """Which taps see the pixels r, r + stride, ... of an axis, for each r < stride.

    A tap comes with the padding that aligns its outputs with these pixels.
    """
    size, stride, before = window.size[axis], window.strides[axis], window.padding[axis][0]
    length, outputs = -(-window.map_size[axis] // stride), window.output_size[axis]
    reach = []
    for pixel in range(stride):
        skipped, first = divmod(pixel + before, stride)
        shifts = [(tap, i - skipped) for i, tap in enumerate(range(first, size, stride))]
        reach.append([(tap, (shift, length - outputs - shift)) for tap, shift in shifts])
    return reach
