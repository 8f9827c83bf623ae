"""Image files to arrays (H, W, 3) of RGB bytes; what is an array already stays as it is.

JPEG files go to libjpeg-turbo through simplejpeg, what it does not take (PNG, CMYK, 16 bit, damage) to Pillow, whose
verdict decides what is corrupt: as with torchvision's loader, a file is intact if Pillow can bridge the damage, as it
does for bad data in the middle, but not for a file that ends early.
"""

import io
import math

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

ImageArray = NDArray[np.uint8]
Encoded = bytes | ImageArray
"""An image as a source gives it: the bytes of a file, or uint8 (H, W, 3)."""


class CorruptImageError(ValueError):
    """The bytes are not a complete image file."""


def is_plain_jpeg(data: bytes) -> bool:
    """Whether the bytes start as a JPEG file; the rest may still be damaged."""
    return data[:2] == b"\xff\xd8"


def open_pillow(data: Encoded, *, upright: bool = False) -> Image.Image:
    """The image as Pillow decodes it, in mode RGB (see `as_rgb`).

    Args:
        data: The bytes of a file, or uint8 (H, W, 3).
        upright: Turn and mirror it as its EXIF data says. Evaluation on data sets does not, as torchvision's loader.

    Raises:
        CorruptImageError: not an image file, or a truncated one.
    """
    if isinstance(data, np.ndarray):
        return Image.fromarray(data)
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
        image.load()
        if upright:
            image = ImageOps.exif_transpose(image)
    except Exception as error:  # each of Pillow's plugins raises its own kind of error for damaged files
        unknown = isinstance(error, UnidentifiedImageError)  # whose message names an object in memory
        raise CorruptImageError("it is empty" if not data else "of no known kind" if unknown else str(error)) from error
    return as_rgb(image)


def turned(data: Encoded) -> Encoded:
    """An image turned and mirrored as its EXIF data says; as it is where that says nothing, or where it is damaged."""
    if isinstance(data, np.ndarray):
        return data
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
                return data
        return np.asarray(open_pillow(data, upright=True))
    except Exception:  # which the decoder finds too, and names
        return data


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode in mode RGB, as torchvision's loader converts it; 16-bit grey keeps its high byte."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG file that simplejpeg can decode to RGB, or None.

    Raises:
        CorruptImageError: it has more pixels than Pillow would decode.
    """
    if not is_plain_jpeg(data):
        return None
    try:
        height, width, colourspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    limit = 2 * (Image.MAX_IMAGE_PIXELS or math.inf)  # above which Pillow takes a file for an attack
    if height * width > limit:
        raise CorruptImageError(f"it has {width} x {height} pixels, more than the {limit} that Pillow allows")
    return (height, width) if colourspace in ("YCbCr", "Gray", "RGB") else None


def decode_jpeg(data: bytes, min_height: int, min_width: int) -> ImageArray | None:
    """A JPEG file as (H, W, 3), or None where libjpeg finds damage.

    Decodes at 1/2, 1/4 or 1/8 of the size where the result still has at least min_height x min_width pixels.
    """
    try:
        return simplejpeg.decode_jpeg(data, min_height=min_height, min_width=min_width, min_factor=2)
    except ValueError:
        return None
