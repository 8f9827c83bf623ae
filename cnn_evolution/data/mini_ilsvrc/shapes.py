"""Twelve shapes as signed distances: negative inside, about 1 unit from the centre to the rim, v pointing down.

The distances are exact near the outline only, which is all that antialiasing needs.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]


def _box(u: Plane, v: Plane, half_width: float, half_height: float) -> Plane:
    return np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)


def _disc(u: Plane, v: Plane) -> Plane:
    return np.sqrt(u * u + v * v) - 0.88


def _triangle(u: Plane, v: Plane) -> Plane:
    slanted = 0.866 * np.abs(u) - 0.5 * v
    return np.maximum(v, slanted) - 0.55


def _square(u: Plane, v: Plane) -> Plane:
    return _box(u, v, 0.76, 0.76)


def _star(u: Plane, v: Plane) -> Plane:
    fifth = np.mod(np.arctan2(u, -v) * (5 / (2 * np.pi)), 1)
    tip = np.abs(fifth - 0.5) * 2  # 1 at the tips, 0 between them
    return (np.sqrt(u * u + v * v) - (0.45 + 0.62 * tip * np.sqrt(tip))) * 0.6


def _ring(u: Plane, v: Plane) -> Plane:
    return np.abs(np.sqrt(u * u + v * v) - 0.66) - 0.30


def _cross(u: Plane, v: Plane) -> Plane:
    return np.minimum(_box(u, v, 0.98, 0.35), _box(u, v, 0.35, 0.98))


def _crescent(u: Plane, v: Plane) -> Plane:
    bite = 0.68 - np.sqrt((u - 0.56) ** 2 + v * v)
    return np.maximum(np.sqrt(u * u + v * v) - 0.98, bite)


def _heart(u: Plane, v: Plane) -> Plane:
    side = np.abs(u)
    lobes = np.sqrt((side - 0.42) ** 2 + (v + 0.30) ** 2) - 0.50
    wedge = np.maximum(0.74 * side + 0.67 * v - 0.50, -(v + 0.30))
    return np.minimum(lobes, wedge)


def _gear(u: Plane, v: Plane) -> Plane:
    teeth = np.clip(3 * np.sin(9 * np.arctan2(v, u)), -1, 1)
    return np.sqrt(u * u + v * v) - 0.80 - 0.15 * teeth


def _bar(u: Plane, v: Plane) -> Plane:
    return _box(u, v, 1.08, 0.42)


def _arrow(u: Plane, v: Plane) -> Plane:
    shaft = _box(u + 0.40, v, 0.60, 0.34)
    head = np.maximum(-u, 0.70 * (u - 1.05) + 0.72 * np.abs(v))
    return np.minimum(shaft, head)


def _hourglass(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(v) - 0.88, 0.76 * (np.abs(u) - 0.86 * np.abs(v)) - 0.11)


SHAPE_FUNCTIONS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": _disc,
    "triangle": _triangle,
    "square": _square,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "crescent": _crescent,
    "heart": _heart,
    "gear": _gear,
    "bar": _bar,
    "arrow": _arrow,
    "hourglass": _hourglass,
}
