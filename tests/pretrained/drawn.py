"""Weights and images that NumPy draws the same with and without torch, so that none are stored."""

import math
import zlib
from collections.abc import Mapping

import numpy as np


def images(size: int, count: int) -> np.ndarray:
    """Normalised images (N, H, W, 3) of coarse blocks under fine noise, each of its own contrast.

    Noise alone is the same everywhere, and after a global pool all such images look alike.
    """
    rng = np.random.default_rng(0)
    tiles = rng.standard_normal((count, 5, 5, 3)).repeat(-(-size // 5), 1).repeat(-(-size // 5), 2)[:, :size, :size]
    contrast = np.linspace(0.5, 2, count)[:, None, None, None]
    return (contrast * (tiles + 0.5 * rng.standard_normal(tiles.shape))).astype(np.float32)


def state_dict(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A tensor for every key of torch's, from a generator that the key seeds.

    Kernels are He-normal, scales in [0.5, 1.5], biases small. Running statistics are zero: what training adds to them
    is then the batch's statistics times torch's momentum, with nothing to cancel.
    """
    return {key: _tensor(key, shape) for key, shape in shapes.items()}


def _tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    kind = key.rpartition(".")[2]
    if kind.startswith("running_"):
        return np.zeros(shape, np.float32)
    if len(shape) > 1:
        return rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:])))
    if kind == "bias":
        return 0.1 * rng.standard_normal(shape, np.float32)
    return 0.5 + rng.random(shape, np.float32)


def sample(x: np.ndarray, count: int = 256) -> np.ndarray:
    """At most `count` values spread over an array."""
    flat = np.asarray(x).reshape(-1)
    return flat[:: max(1, flat.size // count)][:count]


def samples(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Four values of every array, in the order of the keys: (len(arrays), 4)."""
    return np.array([sample(arrays[key], 4) for key in sorted(arrays)], np.float32).reshape(-1, 4)
