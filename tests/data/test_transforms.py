"""The crops: regions inside the image, resizing like the references."""

import io
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_evolution.data.decoding import CorruptImageError, open_pillow
from cnn_evolution.data.transforms import (
    CenterCrop,
    FixedScaleCrop,
    InceptionCrop,
    Region,
    ScaleJitterCrop,
    read_center_crop,
    read_crop,
    resample,
)

CROPS = [FixedScaleCrop(48, 56), ScaleJitterCrop(48, 56, 80), InceptionCrop(48)]
sides = st.integers(1, 600)


def photo(height: int, width: int, mode: str = "RGB") -> Image.Image:
    """Smooth noise."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encode(image: Image.Image, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


def crop_file(data: bytes, crop: object, seed: int = 0) -> np.ndarray:
    out = np.zeros((crop.size, crop.size, 3), np.uint8)
    read_crop(data, crop, np.random.default_rng(seed), out)
    return out


@pytest.mark.parametrize("crop", CROPS, ids=lambda crop: type(crop).__name__)
@settings(deadline=None, derandomize=True, max_examples=50)
@given(height=sides, width=sides, seed=st.integers(0, 100))
def test_regions_lie_inside_the_image(crop, height, width, seed):
    region = crop.region(height, width, np.random.default_rng(seed))
    assert region.height > 0 and region.width > 0
    assert region.top >= -1e-9 and region.top + region.height <= height + 1e-9
    assert region.left >= -1e-9 and region.left + region.width <= width + 1e-9


@settings(deadline=None, derandomize=True, max_examples=30)
@given(height=sides, width=sides, seed=st.integers(0, 100))
def test_fixed_scale_crop_stays_in_the_central_square(height, width, seed):
    short = min(height, width)
    region = FixedScaleCrop(224, 256).region(height, width, np.random.default_rng(seed))
    assert region.height == region.width == pytest.approx(short * 224 / 256)
    assert abs(region.top + region.height / 2 - height / 2) <= short * 16 / 256 + 1e-6
    assert abs(region.left + region.width / 2 - width / 2) <= short * 16 / 256 + 1e-6


def test_fixed_scale_crop_reaches_every_position():
    crop = FixedScaleCrop(2, 4)
    rng = np.random.default_rng(0)
    assert {crop.region(4, 4, rng)[:2] for _ in range(200)} == {(y, x) for y in range(3) for x in range(3)}


def test_inception_crop_keeps_its_ranges_of_area_and_aspect():
    rng = np.random.default_rng(0)
    regions = [InceptionCrop(224).region(400, 500, rng) for _ in range(300)]
    areas = [region.height * region.width / 200_000 for region in regions]
    aspects = [region.width / region.height for region in regions]
    assert 0.079 < min(areas) < 0.15 and 0.85 < max(areas) <= 1
    assert 0.74 < min(aspects) < 0.8 and 1.25 < max(aspects) < 1.35


def test_half_of_the_crops_are_mirrored_unless_told_otherwise():
    rng = np.random.default_rng(0)
    assert 60 < sum(FixedScaleCrop(4, 4).region(4, 4, rng).flip for _ in range(200)) < 140
    assert not any(InceptionCrop(4, flip=False).region(4, 4, rng).flip for _ in range(50))


def test_a_whole_image_of_the_right_size_is_copied_or_mirrored_exactly():
    image = np.asarray(photo(32, 32))
    out = np.empty_like(image)
    resample(image, Region(0, 0, 32, 32, False), out)
    assert np.array_equal(out, image)
    resample(image, Region(0, 0, 32, 32, True), out)
    assert np.array_equal(out, image[:, ::-1])


@pytest.mark.parametrize("height, width", [(100, 150), (700, 900), (1100, 800), (40, 60)])
def test_training_crops_are_close_to_antialiased_ones(height, width):
    """Also where the JPEG file is decoded at a fraction of its size."""
    crop = FixedScaleCrop(96, 96, flip=False)  # the whole central square
    short = min(height, width)
    box = ((width - short) / 2, (height - short) / 2, (width + short) / 2, (height + short) / 2)
    expected = photo(height, width).resize((96, 96), Image.Resampling.BILINEAR, box=box)
    error = np.abs(crop_file(encode(photo(height, width)), crop).astype(int) - np.asarray(expected))
    assert error.mean() < 3


@pytest.mark.parametrize("height, width", [(333, 500), (500, 333), (256, 256), (257, 256), (57, 91), (90, 1200)])
@pytest.mark.parametrize("size, resize", [(224, 256), (227, 256), (299, 320), (48, 55)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_center_crop_equals_torchvision_to_the_bit(height, width, size, resize, interpolation):
    resampling = Image.Resampling[interpolation.upper()]
    image = photo(height, width)
    # torchvision.transforms.functional: resize of the short side, then center_crop, on a PIL image
    if width <= height:
        resized = image.resize((resize, int(resize * height / width)), resampling)
    else:
        resized = image.resize((int(resize * width / height), resize), resampling)
    top, left = int(round((resized.height - size) / 2.0)), int(round((resized.width - size) / 2.0))  # noqa: RUF046
    expected = resized.crop((left, top, left + size, top + size))

    out = np.empty((size, size, 3), np.uint8)
    read_center_crop(encode(image, "PNG"), CenterCrop(size, resize, interpolation), out)
    assert np.array_equal(out, np.asarray(expected))


@pytest.mark.parametrize("mode, kind", [("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG")])
def test_odd_files_decode_to_rgb(mode, kind):
    image = photo(60, 80, mode)
    crop = FixedScaleCrop(60, 60, flip=False)
    expected = np.asarray(image.convert("RGB"))[:, 10:70]
    assert np.abs(crop_file(encode(image, kind), crop).astype(int) - expected).mean() < 3


def test_16_bit_grey_keeps_its_high_byte():
    grey = (np.arange(60 * 60, dtype=np.uint16) * 18).reshape(60, 60)
    image = open_pillow(encode(Image.fromarray(grey), "PNG"))
    assert np.array_equal(np.asarray(image)[..., 1], grey >> 8)


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: b"garbage", lambda d: d[: len(d) // 2], lambda d: d[:20]])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damaged_files_are_corrupt(damage, kind):
    data = damage(encode(photo(100, 100), kind))
    with pytest.raises(CorruptImageError):
        crop_file(data, InceptionCrop(48))
    with pytest.raises(CorruptImageError):
        read_center_crop(data, CenterCrop(48, 56), np.empty((48, 48, 3), np.uint8))


@pytest.mark.parametrize(("side", "verdict"), [(99, "intact"), (101, "corrupt")])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_both_decoders_judge_a_file_of_very_many_pixels_alike(side, verdict, kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)  # of which Pillow takes twice as many
    data = encode(photo(side, side), kind)
    for read in (
        lambda out: read_crop(data, InceptionCrop(48), np.random.default_rng(0), out),
        lambda out: read_center_crop(data, CenterCrop(48, 56), out),
    ):
        with pytest.raises(CorruptImageError, match=r"10201|101 x 101") if verdict == "corrupt" else nullcontext():
            read(np.empty((48, 48, 3), np.uint8))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FixedScaleCrop(224, 200), r"resize is 200, expected at least size \(224\)"),
        (lambda: CenterCrop(224, 200), r"resize is 200, expected at least size \(224\)"),
        (lambda: ScaleJitterCrop(224, 200), r"low is 200"),
        (lambda: ScaleJitterCrop(224, 256, 255), r"high is 255, expected at least low \(256\)"),
        (lambda: InceptionCrop(224, area=(0, 1)), "area is"),
        (lambda: InceptionCrop(224, aspect=(2, 1)), "aspect is"),
        (lambda: InceptionCrop(0), "size is 0"),
    ],
)
def test_impossible_crops_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
