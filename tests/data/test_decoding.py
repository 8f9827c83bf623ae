"""Decoded images."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from cnn_evolution.data.decoding import open_pillow

UPRIGHT = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
STORED = {  # by EXIF's orientation: where row 0 and column 0 of the stored image are, seen upright
    1: UPRIGHT,  # above, left
    2: UPRIGHT[:, ::-1],  # above, right
    3: UPRIGHT[::-1, ::-1],  # below, right
    4: UPRIGHT[::-1],  # below, left
    5: UPRIGHT.swapaxes(0, 1),  # left, above
    6: UPRIGHT[:, ::-1].swapaxes(0, 1),  # right, above
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),  # right, below
    8: UPRIGHT[::-1].swapaxes(0, 1),  # left, below
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_an_image_is_turned_as_its_exif_data_says_only_where_that_is_asked_for(orientation, mode):
    stored = STORED[orientation]
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    pixels = stored if mode == "RGB" else stored[..., 0].astype(np.uint16) << 8
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", exif=exif)
    expected = [one if mode == "RGB" else np.repeat(one[..., :1], 3, -1) for one in (stored, UPRIGHT)]
    np.testing.assert_array_equal(np.asarray(open_pillow(file.getvalue())), expected[0])
    np.testing.assert_array_equal(np.asarray(open_pillow(file.getvalue(), upright=True)), expected[1])
