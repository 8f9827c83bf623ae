"""Twelve surface textures: how much of the second colour (0 to 1) lies at each point (u, v) of the object.

Each draws its own phase and frequency. `inside` marks the object's pixels, and `unit` is the length of one unit of
(u, v) in pixels: the two noise textures are made in pixels and balanced over the object, so that both colours show.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float64]
Texture = Callable[[Plane, Plane, NDArray[np.bool_], float, np.random.Generator], Plane]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], cell: float) -> Plane:
    """Random values between 0 and 1 (height, width), smooth over about `cell` pixels.

    Pillow interpolates a lattice of random bytes in integers, so the values do not depend on the machine.
    """
    height, width = shape
    rows, columns = height / cell, width / cell
    lattice = rng.integers(0, 256, (int(rows) + 2, int(columns) + 2), dtype=np.uint8)
    y, x = rng.random(2)
    box = (x, y, x + columns, y + rows)
    return np.asarray(Image.fromarray(lattice).resize((width, height), Image.Resampling.BICUBIC, box=box)) / 255


def sharpen(wave: Plane, gain: float) -> Plane:
    """A wave around 0 as two levels, 0 and 1, with edges the softer the smaller the gain."""
    return np.clip(0.5 + gain * wave, 0, 1)


def _frequency(rng: np.random.Generator) -> float:
    return rng.uniform(1.6, 2.3) * np.pi


def _plain(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    return np.zeros_like(u)


def _striped(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    return sharpen(np.sin(1.3 * _frequency(rng) * u + rng.uniform(0, 6.28)), 1.5)


def _checkered(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    f = _frequency(rng)
    return sharpen(np.sin(f * u + rng.uniform(0, 6.28)) * np.sin(f * v + rng.uniform(0, 6.28)), 3)


def _dotted(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    f = 1.35 * _frequency(rng)
    bumps = np.cos(f * u + rng.uniform(0, 6.28)) + np.cos(f * v + rng.uniform(0, 6.28))
    return sharpen(bumps - 0.55, 1.5)


def _ringed(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    return sharpen(np.sin(1.8 * _frequency(rng) * np.sqrt(u * u + v * v) + rng.uniform(0, 6.28)), 1.5)


def _wedged(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    return sharpen(np.sin(rng.integers(4, 7) * np.arctan2(v, u) + rng.uniform(0, 6.28)), 1.5)


def _zigzag(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    f = _frequency(rng)
    fold = np.abs(np.mod(f / 3.3 * v + rng.uniform(0, 2), 2) - 1)
    return sharpen(np.sin(1.2 * f * (u + 0.55 * fold) + rng.uniform(0, 6.28)), 1.5)


def _cloudy(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    noise = smooth_noise(rng, u.shape, cell=0.50 * unit)
    return sharpen(noise - np.median(noise[inside]), 4)


def _grainy(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    noise = smooth_noise(rng, u.shape, cell=0.14 * unit)
    return sharpen(noise - np.median(noise[inside]), 4)


def _gridded(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    f = 0.8 * _frequency(rng)
    columns = np.abs(np.sin(f * u + rng.uniform(0, 6.28)))
    rows = np.abs(np.sin(f * v + rng.uniform(0, 6.28)))
    return sharpen(0.36 - np.minimum(columns, rows), 4)


def _spiral(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    turns = rng.choice([-1, 1]) * 2 * np.arctan2(v, u)
    return sharpen(np.sin(1.1 * _frequency(rng) * np.sqrt(u * u + v * v) + turns + rng.uniform(0, 6.28)), 1.5)


def _graded(u: Plane, v: Plane, inside: NDArray[np.bool_], unit: float, rng: np.random.Generator) -> Plane:
    ramp = rng.choice([-1, 1]) * u
    low, high = ramp[inside].min(), ramp[inside].max()
    return np.clip((ramp - low) / (high - low), 0, 1)


TEXTURE_FUNCTIONS: dict[str, Texture] = {
    "plain": _plain,
    "striped": _striped,
    "checkered": _checkered,
    "dotted": _dotted,
    "ringed": _ringed,
    "wedged": _wedged,
    "zigzag": _zigzag,
    "cloudy": _cloudy,
    "grainy": _grainy,
    "gridded": _gridded,
    "spiral": _spiral,
    "graded": _graded,
}
