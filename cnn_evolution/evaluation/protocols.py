"""The papers' test protocols as geometry: which views of an image a network sees, before any network runs.

    >>> protocol = ten_crop()
    >>> print(protocol)
    10 crops 224 (4 corners and centre of the central square, mirrored too) of short side 256
    >>> protocol.boxes(300, 451)[0]
    Box(scale=256, left=64, top=0, side=224, size=224, mirrored=False)

The image's short side is resized to each scale. Views are cut from the whole resized image, or from squares of it.
A place is a fraction of the room that a part has within the whole: 0 is the left or upper end, 1/2 the centre, 1 the
right or lower end. Places are rounded to whole pixels, halves to the even number, as in torchvision's centre crop.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from cnn_evolution.data.decoding import ImageArray
from cnn_evolution.data.transforms import resize_short, resized_shape


class Box(NamedTuple):
    """A view of an image: a square of the resized image, in its pixels.

    Attributes:
      scale: Short side of the resized image.
      left: Columns of it to the left of the square.
      top: Rows of it above the square.
      side: Side of the square.
      size: Side of the view, to which the square is resized where it differs.
      mirrored: Whether the view is the square's mirror image, left to right.
    """

    scale: int
    left: int
    top: int
    side: int
    size: int
    mirrored: bool


class Places(NamedTuple):
    """Where crops lie.

    Attributes:
      words: The places in words.
      at: (down, across) of each, as fractions.
    """

    words: str
    at: tuple[tuple[float, float], ...]


class Squares(NamedTuple):
    """Squares along the long side, each as wide as the short side.

    Attributes:
      words: The squares in words.
      at: The place of each, as a fraction.
      views: Whether each square, resized, is a view as well.
    """

    words: str
    at: tuple[float, ...]
    views: bool = False


CENTRE = Places("centre", ((0.5, 0.5),))
CORNERS_AND_CENTRE = Places("4 corners and centre", ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)))
CENTRAL_SQUARE = Squares("the central square", (0.5,))
THREE_SQUARES = Squares("3 squares", (0, 0.5, 1), views=True)


def grid(n: int) -> Places:
    """An even grid of n x n places from edge to edge, by rows.

    Raises:
      ValueError: n is less than 2, and both edges are not reached.
    """
    if n < 2:
        raise ValueError(f"n is {n}, expected at least 2, which reach both edges")
    steps = [i / (n - 1) for i in range(n)]
    return Places(f"{n} x {n} grid", tuple(itertools.product(steps, steps)))


@dataclass(frozen=True, kw_only=True)
class CropProtocol:
    """Square crops of an image at several scales, each of which is one pass of the network.

    Attributes:
      size: Side of a view, in pixels.
      scales: Short sides of the image after resizing, in pixels; each at least `size`, all different.
      places: Where crops of `size` lie within each square, or within the whole image.
      squares: Squares of the image that are cropped; None for the whole image.
      mirrored: Whether the mirror image of each view is a view as well.

    Raises:
      ValueError: A view is larger than a scale or has no pixels, there is no scale, or one comes twice.
    """

    size: int
    scales: tuple[int, ...]
    places: Places
    squares: Squares | None = None
    mirrored: bool = False

    def __post_init__(self) -> None:
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise ValueError(f"scales are {self.scales}, expected at least one, and none twice")
        if not 1 <= self.size <= min(self.scales):
            raise ValueError(f"size is {self.size}, expected 1 to {min(self.scales)}, the smallest scale")

    def __str__(self) -> str:
        of = "" if self.squares is None else f" of {self.squares.words}{', the squares too' * self.squares.views}"
        crops = f"{self.places.words} crop {self.size}{of}"
        if self.passes > 1:
            crops = f"{self.passes} crops {self.size} ({self.places.words}{of}{', mirrored too' * self.mirrored})"
        return f"{crops} of short side{'s' * (len(self.scales) > 1)} {', '.join(map(str, self.scales))}"

    @property
    def passes(self) -> int:
        """Passes of the network for an image, which are its views."""
        squares = 1 if self.squares is None else len(self.squares.at)
        views = len(self.places.at) + (self.squares is not None and self.squares.views)
        return len(self.scales) * squares * views * (1 + self.mirrored)

    def macs(self, network: int) -> int:
        """Multiply-accumulates for an image, given those of the network for one view."""
        return self.passes * network

    def boxes(self, height: int, width: int) -> tuple[Box, ...]:
        """The views of an image of `height` x `width` pixels: by scale, square, mirroring, and place.

        The resized square comes after the crops of it. Of a square image all squares are the same, and so are their
        views, which are as many.

        Raises:
          ValueError: The image has no pixels.
        """
        if min(height, width) < 1:
            raise ValueError(f"the image is {height} x {width} pixels, expected at least 1 x 1")
        return tuple(
            Box(scale, left, top, side, self.size, mirrored)
            for scale in self.scales
            for cropped in self._cropped(*resized_shape(height, width, scale))
            for mirrored in (False, True)[: 1 + self.mirrored]
            for left, top, side in cropped
        )

    def views(self, image: Image.Image) -> list[ImageArray]:
        """The views of a Pillow image in mode RGB, each uint8 (size, size, 3), in the order of `boxes`.

        Everything is resized by Pillow, antialiased bilinear: the image once for each scale, and a square that is a
        view itself from its scale.

        Raises:
          ValueError: The image has another mode.
        """
        if image.mode != "RGB":
            raise ValueError(f"the image's mode is {image.mode}, expected RGB")
        resized = {scale: resize_short(image, scale) for scale in self.scales}
        return [_view(resized[box.scale], box) for box in self.boxes(image.height, image.width)]

    def _cropped(self, height: int, width: int) -> Iterator[list[tuple[int, int, int]]]:
        """For each square of the resized image, or for the whole of it: (left, top, side) of its views."""
        if self.squares is None:
            yield [_placed(height, width, self.size, *place) for place in self.places.at]
            return
        for along in self.squares.at:
            x, y, short = square = _placed(height, width, min(height, width), along, along)
            within = (_placed(short, short, self.size, *place) for place in self.places.at)
            crops = [(x + left, y + top, side) for left, top, side in within]
            yield [*crops, square] if self.squares.views else crops


def single_crop(size: int = 224, resize: int = 256) -> CropProtocol:
    """The central crop, which equals `CenterCrop` to the bit."""
    return CropProtocol(size=size, scales=(resize,), places=CENTRE)


def ten_crop(size: int = 224, resize: int = 256) -> CropProtocol:
    """Four corners and the centre of the central square, and their mirror images.

    Krizhevsky et al. 2012, section 4.1: 224 of 256, and 227 for the network as it is drawn. The square is what
    section 2 cuts from every image; its corners are not those of the whole image.
    """
    return CropProtocol(size=size, scales=(resize,), places=CORNERS_AND_CENTRE, squares=CENTRAL_SQUARE, mirrored=True)


def googlenet_144(size: int = 224) -> CropProtocol:
    """Four scales, three squares of each, six views of each square, and their mirror images.

    Szegedy et al. 2015, section 7: the left, central and right square of an image that lies, the top, central and
    bottom one of an image that stands; of each the four corners, the centre, and the square resized.
    """
    return CropProtocol(
        size=size, scales=(256, 288, 320, 352), places=CORNERS_AND_CENTRE, squares=THREE_SQUARES, mirrored=True
    )


def vgg_multi_crop(scales: tuple[int, ...] = (256, 384, 512), size: int = 224) -> CropProtocol:
    """A 5 x 5 grid of crops at each scale, and their mirror images: 150 at three scales.

    Simonyan & Zisserman 2015, section 3.2. The default scales are those of networks that were trained with scales from
    256 to 512 (section 4.2); for one trained at scale S they are S - 32, S and S + 32. The paper does not say where the
    regular grid lies. Here it spans the whole image from edge to edge, as the dense evaluation that it is compared
    with does.
    """
    return CropProtocol(size=size, scales=scales, places=grid(5), mirrored=True)


def _placed(height: int, width: int, side: int, down: float, across: float) -> tuple[int, int, int]:
    """(left, top, side) of a square of `side` at a place within height x width."""
    return round((width - side) * across), round((height - side) * down), side


def _view(resized: Image.Image, box: Box) -> ImageArray:
    view = resized.crop((box.left, box.top, box.left + box.side, box.top + box.side))
    if box.side != box.size:
        view = view.resize((box.size, box.size), Image.Resampling.BILINEAR)
    return np.asarray(view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if box.mirrored else view)
