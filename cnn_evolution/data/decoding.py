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

_EIGHTHS = (1, 2, 3, 4, 8)  # of the size, which libjpeg decodes faster the fewer; 5, 6 and 7 take longer than 8

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


def decode_jpeg(data: bytes, size: tuple[int, int], min_height: int, min_width: int, rows: int) -> ImageArray | None:
    """A JPEG file of `size` (height, width) as (H, W, 3), or None where libjpeg finds damage.

    Decodes at 1/8, 1/4, 3/8 or 1/2 of the size where the result still has at least min_height x min_width pixels, and
    no further than the first `rows` rows of the file. What lies below them in the array is undefined.
    """
    height, width = size
    eighths = next(n for n in _EIGHTHS if _scaled(height, n) >= min_height and _scaled(width, n) >= min_width)
    # Colours are interpolated with the next row's, and one row more is needed where a scaled size is rounded up.
    kept = min(height, rows + 24 // eighths)
    part = _with_rows(data, kept) if kept < height else None
    image = np.empty((_scaled(height, eighths), _scaled(width, eighths), 3), np.uint8)
    upper = image if part is None else image[: _scaled(kept, eighths)]
    least = {"min_height": upper.shape[0], "min_width": upper.shape[1], "min_factor": 2}
    try:
        simplejpeg.decode_jpeg(data if part is None else part, buffer=upper, **least)
    except ValueError as error:
        # libjpeg's first complaint. Rows that are left over are none; damage before them would have come first.
        if part is None or not str(error).endswith("extraneous bytes before marker 0xd9"):
            return None
    return image


def _scaled(side: int, eighths: int) -> int:
    return -(-side * eighths // 8)


def _with_rows(data: bytes, rows: int) -> bytes | None:
    """The file with fewer rows, by its header, behind which a decoder stops; the others' bytes are still there.

    None where they could not be told from damage: the file has several scans, restart markers, or no end.
    """
    if not data.endswith(b"\xff\xd9"):
        return None
    at, frame = 2, 0
    while (marker := data[at : at + 2]) != b"\xff\xda":  # start of scan
        if marker[:1] != b"\xff" or marker == b"\xff\xdd":  # no marker, or one that defines restart intervals
            return None
        if marker in (b"\xff\xc0", b"\xff\xc1"):  # start of a sequential frame, which has the number of rows
            frame = at
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    scanned, components = data[at + 4 : at + 5], data[frame + 9 : frame + 10]
    if not frame or not scanned or scanned != components:
        return None
    return b"".join((data[: frame + 5], rows.to_bytes(2), data[frame + 7 :]))
