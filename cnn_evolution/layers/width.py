"""Narrow forms of a network."""

from collections.abc import Callable


def scaled(width: float, multiple: int = 8) -> Callable[[int], int]:
    """A function that multiplies a published number of channels by `width`.

    The result is rounded to a multiple of `multiple`, and at least that; at width 1 every number stays as published.

    Raises:
      ValueError: if the width is not above 0.
    """
    _check(width)
    return lambda channels: channels if width == 1 else max(1, round(channels * width / multiple)) * multiple


def scaled_divisible(width: float) -> Callable[[int], int]:
    """`scaled` with the rounding of searched networks, `make_divisible`, which their published widths have too.

    Raises:
      ValueError: if the width is not above 0.
    """
    _check(width)
    return lambda channels: make_divisible(channels * width)


def make_divisible(channels: float) -> int:
    """The multiple of 8 that searched networks take for a multiplied number of channels.

    The nearest, half-way cases up, but never less than 90% of the number, and at least 8 (the "round_filters" of
    TensorFlow's MobileNets).
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def _check(width: float) -> None:
    if width <= 0:
        raise ValueError(f"width is {width}; expected a number above 0, 1 being the published network")
