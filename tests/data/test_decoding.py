"""Decoded images, of which no more rows are decoded than are asked for."""

import io
import math

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from cnn_evolution.data.decoding import _with_rows, decode_jpeg, open_pillow

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


def noise(height: int, width: int, seed: int = 0, mode: str = "RGB", **options: object) -> bytes:
    """A JPEG file of which every row differs from the next."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    size=st.tuples(st.integers(16, 130), st.integers(16, 130)),
    options=st.sampled_from(
        [
            *({"subsampling": one} for one in ("4:4:4", "4:2:2", "4:2:0")),
            {"mode": "L"},
            {"progressive": True},
            {"restart_marker_rows": 1},
        ]
    ),
    share=st.floats(0.01, 1),
    fraction=st.sampled_from([1, 1 / 2, 3 / 8, 1 / 4, 1 / 8]),
)
def test_the_first_rows_are_those_of_the_whole_image(size, options, share, fraction):
    data, (height, width) = noise(*size, **options), size
    least = math.ceil(height * fraction), math.ceil(width * fraction)
    rows = math.ceil(height * share)
    whole = simplejpeg.decode_jpeg(data, min_height=least[0], min_width=least[1], min_factor=2)
    upper = decode_jpeg(data, size, *least, rows=rows)
    assert upper.shape == whole.shape
    needed = math.ceil(rows * whole.shape[0] / height)
    assert np.array_equal(upper[:needed], whole[:needed])


def test_a_file_says_that_it_has_fewer_rows():
    shorter = _with_rows(noise(64, 48), 24)
    assert simplejpeg.decode_jpeg_header(shorter)[:2] == (24, 48)
    assert _with_rows(shorter, 64) == noise(64, 48)


@pytest.mark.parametrize(
    "data",
    [
        noise(64, 48, progressive=True),
        noise(64, 48, restart_marker_rows=1),
        noise(64, 48)[:-2],
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x04\xff\xd9",
        b"\xff\xd8\x00\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x02\xff\xda\xff\xd9",
    ],
    ids=["several scans", "restart markers", "no end", "nothing but ends", "no scan", "no markers", "cut short"],
)
def test_a_file_whose_other_rows_cannot_be_told_from_damage_is_decoded_whole(data):
    assert _with_rows(data, 24) is None


@pytest.mark.parametrize(("place", "found"), [(0.2, True), (0.9, False)])
def test_damage_is_found_as_far_as_the_file_is_decoded(place, found):
    data = noise(200, 100)
    at = int(len(data) * place)
    damaged = data[:at] + b"\xff\xd9" + data[at + 2 :]  # an end too early
    assert (decode_jpeg(damaged, (200, 100), 200, 100, rows=100) is None) is found
    assert decode_jpeg(damaged, (200, 100), 200, 100, rows=200) is None
