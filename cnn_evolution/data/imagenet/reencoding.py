"""JPEG files made anew: of the images that TFDS's imagenet2012 does not keep as they are, and smaller ones.

TFDS turns 22 CMYK files and one PNG file, which it names, into RGB JPEG files of quality 100, with TensorFlow. What is
here writes the same bytes, unless a CMYK file is subsampled in a way that simplejpeg refuses: then it is decoded with
libjpeg's accurate DCT instead of the fast one, and pixels differ by about one level.
"""

import io

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image

from cnn_evolution.data.decoding import as_rgb

SHORT_QUALITY = 95  # of smaller images, with chroma at full resolution


def rgb_jpeg(data: bytes) -> bytes:
    """An image file of any kind as an RGB JPEG file of quality 100, as TFDS writes it.

    Raises:
        OSError: Pillow cannot read it.
    """
    with Image.open(io.BytesIO(data)) as image:
        rgb = Image.fromarray(_without_black(_inks(image, data))) if image.mode == "CMYK" else as_rgb(image)
    # TensorFlow's encoder subsamples chroma and writes 300 dots per inch (`tf.io.encode_jpeg`).
    return _encoded(rgb, quality=100, subsampling="4:2:0", dpi=(300, 300))


def _inks(image: Image.Image, data: bytes) -> NDArray[np.uint8]:
    """(H, W, 4) as Adobe's programs store them: 255 is no ink."""
    if "adobe" in image.info:
        try:  # TensorFlow's default is the fast DCT, which Pillow does not offer
            return simplejpeg.decode_jpeg(data, colorspace="CMYK", fastdct=True)
        except ValueError:  # subsampled in another way than TurboJPEG knows
            pass
    return 255 - np.asarray(image)


def _without_black(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) of inks as RGB (H, W, 3), rounded down as TensorFlow does."""
    wide = inks.astype(np.uint16)
    return (wide[..., :3] * wide[..., 3:] // 255).astype(np.uint8)


def with_short_side(data: bytes, short_side: int) -> bytes:
    """An image file whose shorter side has at most `short_side` pixels.

    A file that is small enough stays as it is. Others become JPEG files of quality 95 without subsampling, resized with
    Pillow's Lanczos filter. Grey stays grey, other modes become RGB; of the EXIF data the orientation is kept, and
    colour profiles are left out, which the reader ignores too.

    Raises:
        OSError: Pillow cannot read it.
    """
    with Image.open(io.BytesIO(data)) as image:
        if min(image.size) <= short_side:
            return data
        scale = short_side / min(image.size)
        width, height = (round(side * scale) for side in image.size)
        pixels = image if image.mode == "L" else as_rgb(image)
        small = pixels.resize((width, height), Image.Resampling.LANCZOS)
        exif, orientation = Image.Exif(), image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    return _encoded(small, quality=SHORT_QUALITY, subsampling="4:4:4", exif=exif)


def _encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()
