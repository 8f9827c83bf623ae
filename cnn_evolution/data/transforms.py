"""The crops of the papers, as frozen dataclasses.

A training crop draws a region of the image from an explicit random generator; `read_crop` decodes that region and
resizes it: libjpeg-turbo decodes, at a fraction of the size where that is enough, and Pillow resizes (antialiased
bilinear). `CenterCrop`, for evaluation, is all Pillow's and equals torchvision's Resize + CenterCrop to the bit.

Regions are drawn on the original image and resized once, where the papers resize the image first: the same pixels but
for the interpolation, and cheaper, since what is outside the crop is not resized.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from PIL import Image

from cnn_evolution.data.decoding import Encoded, ImageArray, decode_jpeg, jpeg_size, open_pillow

Interpolation = Literal["bilinear", "bicubic"]


class Region(NamedTuple):
    """A rectangle of an image, in pixels (fractions allowed), to be mirrored if `flip`."""

    top: float
    left: float
    height: float
    width: float
    flip: bool


class TrainingCrop(Protocol):
    """What the reader asks of a training crop."""

    @property
    def size(self) -> int:
        """Side of the square that comes out, in pixels."""

    def region(self, height: int, width: int, rng: np.random.Generator) -> Region:
        """Draws a region of an image of `height` x `width` pixels."""


@dataclass(frozen=True)
class FixedScaleCrop:
    """The short side resized to `resize`, the central square of it, a random crop of `size`, a random mirroring.

    Krizhevsky et al. 2012, section 4.1 (256 and 224 there): 32 x 32 positions and mirror images.

    Attributes:
        size: Side of the crop, in pixels.
        resize: Short side of the image after resizing, in pixels; at least `size`.
        flip: Mirror every second image, on average.
    """

    size: int
    resize: int = 256
    flip: bool = True

    def __post_init__(self) -> None:
        _check_sizes("resize", self.resize, self.size)

    def region(self, height: int, width: int, rng: np.random.Generator) -> Region:
        short = min(height, width)
        scale = short / self.resize
        positions = self.resize - self.size + 1
        y, x = int(positions * rng.random()), int(positions * rng.random())
        top, left = (height - short) / 2 + y * scale, (width - short) / 2 + x * scale
        return Region(top, left, self.size * scale, self.size * scale, _draw_flip(self.flip, rng))


@dataclass(frozen=True)
class ScaleJitterCrop:
    """The short side resized to a random length from `low` to `high`, a random crop of `size`, a random mirroring.

    Simonyan & Zisserman 2015, section 3.1, multi-scale training: S in [256, 512]; also He et al. 2016 ([256, 480]).

    Attributes:
        size: Side of the crop, in pixels.
        low: Smallest short side after resizing, in pixels; at least `size`.
        high: Largest short side after resizing, in pixels.
        flip: Mirror every second image, on average.
    """

    size: int
    low: int = 256
    high: int = 512
    flip: bool = True

    def __post_init__(self) -> None:
        _check_sizes("low", self.low, self.size)
        _check_sizes("high", self.high, self.low, "low")

    def region(self, height: int, width: int, rng: np.random.Generator) -> Region:
        scale = min(height, width) / rng.integers(self.low, self.high + 1)
        side = self.size * scale
        top, left = rng.random() * (height - side), rng.random() * (width - side)
        return Region(top, left, side, side, _draw_flip(self.flip, rng))


@dataclass(frozen=True)
class InceptionCrop:
    """A random part of the image by area and aspect ratio, resized to `size` x `size`, a random mirroring.

    Szegedy et al. 2015, section 6: area 8% to 100%, aspect ratio 3/4 to 4/3. Drawn as in torchvision's
    RandomResizedCrop: uniform in area and in the logarithm of the aspect ratio; after ten draws that do not fit, the
    largest central part within the range of aspect ratios.

    Attributes:
        size: Side of the crop, in pixels.
        area: Range of the fraction of the image's area.
        aspect: Range of width / height.
        flip: Mirror every second image, on average.
    """

    size: int
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True

    def __post_init__(self) -> None:
        _check_sizes("size", self.size, 1, "one pixel")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area is {self.area}, expected an increasing pair of fractions in (0, 1]")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"aspect is {self.aspect}, expected an increasing pair of positive ratios")

    def region(self, height: int, width: int, rng: np.random.Generator) -> Region:
        for _ in range(10):
            area = height * width * rng.uniform(*self.area)
            aspect = math.exp(rng.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
                return Region(top, left, h, w, _draw_flip(self.flip, rng))
        w = min(width, round(height * self.aspect[1]))
        h = min(height, round(width / self.aspect[0]))
        return Region((height - h) // 2, (width - w) // 2, h, w, _draw_flip(self.flip, rng))


@dataclass(frozen=True)
class CenterCrop:
    """The short side resized to `resize`, then the central `size` x `size`: the single-view test of every paper since.

    As a training crop it is the same region of every image.

    Attributes:
        size: Side of the crop, in pixels.
        resize: Short side of the image after resizing, in pixels; at least `size`.
        interpolation: How it is resized, antialiased in either case.
    """

    size: int
    resize: int = 256
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        _check_sizes("resize", self.resize, self.size)

    def __str__(self) -> str:
        usual = self.interpolation == "bilinear"
        return f"centre crop {self.size} of short side {self.resize}{'' if usual else f', {self.interpolation}'}"

    def region(self, height: int, width: int, rng: np.random.Generator) -> Region:
        side = self.size * min(height, width) / self.resize
        return Region((height - side) / 2, (width - side) / 2, side, side, False)

    def __call__(self, image: Image.Image) -> ImageArray:
        """The crop (size, size, 3) of a Pillow image in mode RGB."""
        image = resize_short(image, self.resize, self.interpolation)
        left, top = (round((side - self.size) / 2.0) for side in image.size)
        return np.asarray(image.crop((left, top, left + self.size, top + self.size)))


def resized_shape(height: int, width: int, short: int) -> tuple[int, int]:
    """(height, width) of an image whose short side is resized to `short`; torchvision rounds the long one down."""
    longer = int(short * max(height, width) / min(height, width))
    return (longer, short) if width <= height else (short, longer)


def resize_short(image: Image.Image, short: int, interpolation: Interpolation = "bilinear") -> Image.Image:
    """A Pillow image whose short side is resized to `short` pixels, antialiased; the image itself if it is already."""
    height, width = resized_shape(image.height, image.width, short)
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling[interpolation.upper()])


def resample(image: ImageArray, region: Region, out: ImageArray) -> None:
    """Writes the region of the image (H, W, 3), resized and mirrored, into `out` (size, size, 3)."""
    rows, columns = image.shape[:2]
    top, left = max(region.top, 0.0), max(region.left, 0.0)  # rounding may have put a border just outside
    bottom, right = min(region.top + region.height, rows), min(region.left + region.width, columns)
    # Pillow copies what it is given, so it is given no more than the region: so many pixels of every row.
    y, x, end, width = int(top), int(left), math.ceil(bottom), math.ceil(right) - int(left)
    data = np.ascontiguousarray(image[y:end]).reshape(-1)[3 * x :]
    part = Image.frombytes("RGB", (width, end - y), data, "raw", "RGB", 3 * columns)
    box = (left - x, top - y, right - x, bottom - y)
    resized = part.resize(out.shape[:2], Image.Resampling.BILINEAR, box=box)
    out[:] = np.asarray(resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if region.flip else resized)


def read_crop(data: Encoded, crop: TrainingCrop, rng: np.random.Generator, out: ImageArray) -> None:
    """Decodes an image, crops it at random and writes the crop into `out` (size, size, 3).

    A JPEG file is decoded down to the crop's last row, and at a fraction of its size only where the crop keeps at least
    `size` pixels a side.

    Raises:
        CorruptImageError: not an image file, or a damaged one. What `out` then holds is undefined.
    """
    if not isinstance(data, np.ndarray) and (shape := jpeg_size(data)) is not None:
        height, width = shape
        region = crop.region(height, width, rng)
        min_height = math.ceil(height * min(1.0, crop.size / region.height))
        min_width = math.ceil(width * min(1.0, crop.size / region.width))
        image = decode_jpeg(data, shape, min_height, min_width, rows=math.ceil(region.top + region.height))
        if image is not None:
            resample(image, _scaled(region, image.shape[0] / height, image.shape[1] / width), out)
            return
        image = np.asarray(open_pillow(data))
    else:
        image = np.asarray(open_pillow(data))
        region = crop.region(image.shape[0], image.shape[1], rng)
    resample(image, region, out)


def read_center_crop(data: Encoded, crop: CenterCrop, out: ImageArray) -> None:
    """Decodes an image by Pillow and writes its central crop into `out` (size, size, 3).

    Raises:
        CorruptImageError: not an image file, or a damaged one.
    """
    out[:] = crop(open_pillow(data))


def _scaled(region: Region, y: float, x: float) -> Region:
    return Region(region.top * y, region.left * x, region.height * y, region.width * x, region.flip)


def _draw_flip(flip: bool, rng: np.random.Generator) -> bool:
    return flip and rng.random() < 0.5


def _check_sizes(name: str, value: int, at_least: int, bound: str = "size") -> None:
    if value < at_least or at_least < 1:
        raise ValueError(f"{name} is {value}, expected at least {bound} ({at_least}), which must be positive")
