"""One image of mini_ilsvrc: a textured shape on a background, among clutter, under a light.

Everything is computed in float64 from PCG64 draws and rounded to bytes once at the end. NumPy's sine and arctangent
may differ in the last bit between machines; a byte would change only where a value lies that close (1e-14) to the
middle between two bytes, which is not to be expected once in all images of the data set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_evolution.data.mini_ilsvrc.shapes import SHAPE_FUNCTIONS, Plane
from cnn_evolution.data.mini_ilsvrc.textures import TEXTURE_FUNCTIONS, sharpen, smooth_noise

_SHAPES = tuple(SHAPE_FUNCTIONS.values())
_TEXTURES = tuple(TEXTURE_FUNCTIONS.values())


@dataclass(frozen=True)
class Difficulty:
    """How much varies from image to image; lengths are fractions of the image's short side.

    Attributes:
        short_side: Range of the short side, in pixels.
        elongation: Largest ratio of the long to the short side.
        rotation: Largest rotation of the object, in radians.
        texture_rotation: Largest rotation of the texture relative to the object, in radians.
        radius: Range of the object's radius.
        offset: Largest shift of the object from the centre, along each axis.
        distortion: Largest shear and largest logarithm of the stretch.
        background: Contrast of the background.
        clutter: Largest number of blobs behind the object.
        occlusion: Probability of one (more) small blob in front of it.
        saturation: How far colours are from grey.
        inverted: Probability that the first colour is the dark one.
        light: Largest slope of the light across the image.
        noise: Largest amplitude of the sensor's noise, as a fraction of white.
    """

    short_side: tuple[int, int] = (56, 80)
    elongation: float = 1.5
    rotation: float = 0.4
    texture_rotation: float = 0.4
    radius: tuple[float, float] = (0.28, 0.40)
    offset: float = 0.10
    distortion: float = 0.18
    background: float = 0.4
    clutter: int = 2
    occlusion: float = 0.2
    saturation: float = 0.3
    inverted: float = 0.1
    light: float = 0.35
    noise: float = 0.06


def _colour(rng: np.random.Generator, lightness: float, saturation: float) -> NDArray[np.float64]:
    """A colour (3,) of random hue, so that no colour tells a class."""
    hue = rng.uniform(-1, 1, 3)
    return np.clip(lightness + saturation * (hue - hue.mean()), 0, 1)


def _rotate(x: Plane, y: Plane, angle: float) -> tuple[Plane, Plane]:
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def _paint(image: NDArray[np.float64], mask: Plane, colour: NDArray[np.float64]) -> None:
    image += mask[..., None] * (colour - image)


def _background(x: Plane, y: Plane, rng: np.random.Generator, difficulty: Difficulty) -> NDArray[np.float64]:
    """Two colours mixed by a ramp, coarse noise, fine noise or stripes."""
    lightness = rng.uniform(0.3, 0.6)
    first = _colour(rng, lightness, difficulty.saturation)
    second = _colour(rng, lightness + difficulty.background * rng.uniform(-0.4, 0.4), difficulty.saturation)
    kind = rng.integers(4)
    along, _ = _rotate(x, y, rng.uniform(0, 6.28))
    if kind == 0:
        mix = along + 0.5
    elif kind == 3:
        mix = sharpen(np.sin(rng.uniform(8, 40) * along), 1.25)
    else:
        mix = smooth_noise(rng, x.shape, cell=min(x.shape) * (0.35 if kind == 1 else 0.09))
    return first + mix[..., None] * (second - first)


def _add_blob(
    image: NDArray[np.float64], x: Plane, y: Plane, size: float, rng: np.random.Generator, difficulty: Difficulty
) -> None:
    """Paints a rectangle or an ellipse of any place, size, angle and colour."""
    centre_x, centre_y = rng.uniform(-0.5, 0.5, 2)
    u, v = _rotate(x - centre_x, y - centre_y, rng.uniform(0, 6.28))
    half_width, half_height = size * rng.uniform(0.03, 0.12), size * rng.uniform(0.03, 0.25)
    if rng.random() < 0.5:
        distance = np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)
    else:
        distance = (np.sqrt((u / half_width) ** 2 + (v / half_height) ** 2) - 1) * min(half_width, half_height)
    mask = np.clip(0.5 - distance * min(x.shape), 0, 1)
    _paint(image, mask, _colour(rng, rng.random(), difficulty.saturation))


def _add_object(
    image: NDArray[np.float64],
    x: Plane,
    y: Plane,
    shape: int,
    texture: int,
    rng: np.random.Generator,
    difficulty: Difficulty,
) -> None:
    radius = rng.uniform(*difficulty.radius)
    unit = radius * min(x.shape)
    centre_x, centre_y = rng.uniform(-difficulty.offset, difficulty.offset, 2)
    angle = rng.uniform(-difficulty.rotation, difficulty.rotation)
    u, v = _rotate((x - centre_x) / radius, (y - centre_y) / radius, angle)
    stretch = np.exp(rng.uniform(-difficulty.distortion, difficulty.distortion))
    u = u * stretch
    v = v / stretch + rng.uniform(-difficulty.distortion, difficulty.distortion) * u
    mask = np.clip(0.5 - _SHAPES[shape](u, v) * unit, 0, 1)

    first = _colour(rng, rng.uniform(0.75, 1.0), difficulty.saturation)
    second = _colour(rng, rng.uniform(0.0, 0.2), difficulty.saturation)
    if rng.random() < difficulty.inverted:
        first, second = second, first
    u, v = _rotate(u, v, rng.uniform(-difficulty.texture_rotation, difficulty.texture_rotation))
    mix = _TEXTURES[texture](u, v, mask > 0.5, unit, rng)
    _paint(image, mask, first + mix[..., None] * (second - first))


def render(
    shape: int, texture: int, rng: np.random.Generator, difficulty: Difficulty = Difficulty()
) -> NDArray[np.uint8]:
    """An image (H, W, 3) of the shape with that index and the texture with that index.

    The object lies near the centre, so that a central crop keeps it. Equal draws of `rng` give equal images.
    """
    short = int(rng.integers(difficulty.short_side[0], difficulty.short_side[1] + 1))
    long = round(short * rng.uniform(1, difficulty.elongation))
    height, width = (short, long) if rng.random() < 0.5 else (long, short)
    x = np.broadcast_to(((np.arange(width) + 0.5) - width / 2) / short, (height, width))
    y = np.broadcast_to((((np.arange(height) + 0.5) - height / 2) / short)[:, None], (height, width))

    image = _background(x, y, rng, difficulty)
    for _ in range(rng.integers(difficulty.clutter + 1)):
        _add_blob(image, x, y, 1.0, rng, difficulty)
    _add_object(image, x, y, shape, texture, rng, difficulty)
    while rng.random() < difficulty.occlusion:
        _add_blob(image, x, y, 0.8, rng, difficulty)

    ramp, _ = _rotate(x, y, rng.uniform(0, 6.28))
    image *= ((1 + 2 * rng.uniform(0, difficulty.light) * ramp) * np.exp(rng.uniform(-0.3, 0.2)))[..., None]
    image += rng.uniform(0, difficulty.noise) * (rng.integers(0, 256, image.shape, dtype=np.uint8) / 127.5 - 1)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
