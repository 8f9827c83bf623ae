"""JPEG files made anew."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from cnn_evolution.data.decoding import open_pillow, turned
from cnn_evolution.data.imagenet.reencoding import rgb_jpeg, with_short_side
from tests.data.fake_imagenet import jpeg, png


def opened(data):
    return Image.open(io.BytesIO(data))


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_inks_become_the_light_that_they_let_through(subsampling):
    inks = (51, 102, 0, 127)
    data = encoded(Image.new("CMYK", (16, 16), inks), quality=100, subsampling=subsampling)
    expected = [(255 - ink) * (255 - inks[3]) // 255 for ink in inks[:3]]
    image = opened(rgb_jpeg(data))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (16, 16))
    assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1


def test_cmyk_files_keep_their_picture():
    data = jpeg(60, 80, seed=1, mode="CMYK")
    as_pillow_would = encoded(open_pillow(data), quality=100, subsampling="4:2:0")
    difference = np.asarray(opened(as_pillow_would)).astype(int) - np.asarray(opened(rgb_jpeg(data)))
    assert np.abs(difference).mean() < 1


def test_png_files_become_what_pillow_encodes():
    data = png(30, 40, seed=1)
    assert rgb_jpeg(data) == encoded(opened(data), quality=100, subsampling="4:2:0", dpi=(300, 300))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60))
def test_the_shorter_side_is_at_most_as_asked_and_small_files_stay(height, width, short_side):
    data = encoded(Image.new("RGB", (width, height), "orange"))
    small = with_short_side(data, short_side)
    if min(height, width) <= short_side:
        assert small == data
    else:
        scale = short_side / min(height, width)
        assert opened(small).size == (round(width * scale), round(height * scale))
        assert min(opened(small).size) == short_side


def test_a_smaller_image_shows_the_same():
    data = jpeg(320, 400, seed=2)
    direct = open_pillow(data).resize((200, 160), Image.Resampling.LANCZOS)
    small = open_pillow(with_short_side(data, 160))
    assert np.abs(np.asarray(direct).astype(int) - np.asarray(small)).mean() < 2


def test_grey_stays_grey_and_other_modes_become_rgb():
    assert opened(with_short_side(jpeg(40, 50, seed=1, mode="L"), 20)).mode == "L"
    assert opened(with_short_side(jpeg(40, 50, seed=1, mode="CMYK"), 20)).mode == "RGB"
    assert opened(with_short_side(png(40, 50, seed=1), 20)).format == "JPEG"


def test_the_orientation_is_kept_and_nothing_is_turned():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "a camera"
    small = with_short_side(encoded(Image.new("RGB", (80, 40)), exif=exif), 20)
    assert opened(small).size == (40, 20)
    assert dict(opened(small).getexif()) == {ExifTags.Base.Orientation: 6}
    assert turned(small).shape == (40, 20, 3)
