"""All that is static about a convolution: what a way to compute it is chosen by."""

import dataclasses

from jax import Array

from cnn_evolution.xla_cpu.window import Window


@dataclasses.dataclass(frozen=True)
class Problem:
    """A convolution of maps (N, H, W, C) with kernels (h, w, C / groups, C').

    Attributes:
      images: N.
      channels: C.
      features: C'.
      groups: Groups of channels that do not see one another.
      window: Size of the kernel and of the map, strides and padding.
      itemsize: Bytes of a value.
    """

    images: int
    channels: int
    features: int
    groups: int
    window: Window
    itemsize: int

    @classmethod
    def of(cls, x: Array, kernel: Array, window: Window, groups: int) -> "Problem":
        """The problem that these operands pose."""
        return cls(x.shape[0], x.shape[-1], kernel.shape[-1], groups, window, x.dtype.itemsize)

    @property
    def depthwise(self) -> bool:
        """Whether every channel has one kernel of its own."""
        return self.groups > 1 and self.channels == self.features == self.groups

    @property
    def pointwise(self) -> bool:
        """Whether the kernel is of one pixel."""
        return self.window.taps == 1

    @property
    def back(self) -> "Problem":
        """At stride 1, the convolution of the output's gradient with the turned kernel: the input's gradient."""
        return dataclasses.replace(self, channels=self.features, features=self.channels, window=self.window.back)

    def block(self, blocks: int) -> "Problem":
        """One of so many equal shares of the channels, as a problem without groups."""
        return dataclasses.replace(self, channels=self.channels // blocks, features=self.features // blocks, groups=1)
