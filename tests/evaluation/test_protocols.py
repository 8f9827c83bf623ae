"""Test protocols: the views of an image, beside loops that are written from the papers' words."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_evolution.data import CenterCrop
from cnn_evolution.evaluation.protocols import (
    CORNERS_AND_CENTRE,
    Box,
    CropProtocol,
    googlenet_144,
    grid,
    single_crop,
    ten_crop,
    vgg_multi_crop,
)

PROTOCOLS = {
    "1": single_crop(),
    "10": ten_crop(),
    "10 of 227": ten_crop(227),
    "144": googlenet_144(),
    "150": vgg_multi_crop(),
    "no squares": CropProtocol(size=200, scales=(201, 333), places=CORNERS_AND_CENTRE, mirrored=True),
}
SHAPES = [(333, 500), (500, 333), (301, 452), (256, 256), (256, 301), (97, 64)]
sides = st.integers(1, 2000)


def photo(height, width):
    return Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8))


def resized(image, short):
    """(H, W, 3), as torchvision resizes."""
    width, height = image.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def half(room):
    """Half of a number of pixels, rounded to the even one of two."""
    return room // 2 + (room % 4 == 3)


def corners_and_centre(square, size):
    start = half(len(square) - size)
    return [
        square[:size, :size],
        square[:size, -size:],
        square[-size:, :size],
        square[-size:, -size:],
        square[start : start + size, start : start + size],
    ]


def with_mirror_images(views):
    return [*views, *(view[:, ::-1] for view in views)]


def krizhevsky(image, size):
    """The central 256 x 256; its four corners and its centre; their horizontal reflections."""
    whole = resized(image, 256)
    top, left = half(whole.shape[0] - 256), half(whole.shape[1] - 256)
    return with_mirror_images(corners_and_centre(whole[top : top + 256, left : left + 256], size))


def szegedy(image):
    """Four scales; left, centre, right or top, centre, bottom squares; six views of each; mirrored."""
    views = []
    for scale in (256, 288, 320, 352):
        whole = resized(image, scale)
        height, width, _ = whole.shape
        if width > height:
            start = half(width - scale)
            squares = [whole[:, :scale], whole[:, start : start + scale], whole[:, -scale:]]
        else:
            start = half(height - scale)
            squares = [whole[:scale], whole[start : start + scale], whole[-scale:]]
        for square in squares:
            small = np.asarray(Image.fromarray(square).resize((224, 224), Image.Resampling.BILINEAR))
            views += with_mirror_images([*corners_and_centre(square, 224), small])
    return views


def simonyan(image, scales):
    """At each scale a regular grid of five by five over the whole image, and two flips."""
    views = []
    for scale in scales:
        whole = resized(image, scale)
        tops, lefts = ([round(Fraction(side - 224) * i / 4) for i in range(5)] for side in whole.shape[:2])
        views += with_mirror_images([whole[y : y + 224, x : x + 224] for y in tops for x in lefts])
    return views


def assert_equal(views, expected):
    assert len(views) == len(expected)
    for number, (view, other) in enumerate(zip(views, expected, strict=True)):
        assert view.dtype == np.uint8 and np.array_equal(view, other), number


@pytest.mark.parametrize("shape", SHAPES)
def test_views_are_those_of_the_papers(shape):
    image = photo(*shape)
    assert_equal(ten_crop().views(image), krizhevsky(image, 224))
    assert_equal(ten_crop(227).views(image), krizhevsky(image, 227))
    assert_equal(googlenet_144().views(image), szegedy(image))
    assert_equal(vgg_multi_crop().views(image), simonyan(image, (256, 384, 512)))
    assert_equal(vgg_multi_crop((224, 256)).views(image), simonyan(image, (224, 256)))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(20, 40), st.integers(0, 9))
def test_a_single_crop_is_the_centre_crop_to_the_bit(height, width, size, more):
    crop = CenterCrop(size, size + more)
    (view,) = single_crop(size, size + more).views(photo(height, width))
    assert np.array_equal(view, crop(photo(height, width)))
    assert str(single_crop(size, size + more)) == str(crop)


def test_boxes_are_places_in_the_resized_image():
    places = [(64, 0), (96, 0), (64, 32), (96, 32), (80, 16)]  # 384 x 256 pixels, whose central square starts at 64
    plain, mirrored = ([Box(256, *place, 224, 224, flip) for place in places] for flip in (False, True))
    assert ten_crop().boxes(300, 451) == (*plain, *mirrored)
    squares = [box for box in googlenet_144().boxes(451, 300) if box.side == 352 and not box.mirrored]
    assert squares == [Box(352, 0, top, 352, 224, False) for top in (0, 88, 177)]  # 352 x 529 pixels


@pytest.mark.parametrize(("name", "passes"), [("1", 1), ("10", 10), ("144", 144), ("150", 150)])
def test_every_view_is_a_pass_that_costs_what_the_network_does(name, passes):
    protocol = PROTOCOLS[name]
    assert protocol.passes == len(protocol.boxes(300, 451)) == passes
    assert protocol.macs(7) == 7 * passes


@settings(deadline=None, derandomize=True, max_examples=50)
@given(height=sides, width=sides)
def test_boxes_lie_inside_the_resized_image_and_turn_with_it(height, width):
    for protocol in PROTOCOLS.values():
        boxes = protocol.boxes(height, width)
        assert len(boxes) == protocol.passes
        for box in boxes:
            longer = int(box.scale * max(height, width) / min(height, width))
            rows, columns = (longer, box.scale) if height > width else (box.scale, longer)
            assert 0 <= box.left <= columns - box.side and 0 <= box.top <= rows - box.side
            assert box.side in (protocol.size, box.scale) and box.size == protocol.size
        turned = [box._replace(left=box.top, top=box.left) for box in protocol.boxes(width, height)]
        assert sorted(turned) == sorted(boxes)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(height=sides, width=sides)
def test_ten_crops_are_symmetric_and_ten_of_the_144(height, width):
    boxes = ten_crop().boxes(height, width)
    square = min(box.left for box in boxes)
    reflected = {box._replace(left=2 * square + 32 - box.left, mirrored=not box.mirrored) for box in boxes}
    assert len(reflected) == 10 and reflected == set(boxes)
    assert set(boxes) <= set(googlenet_144().boxes(height, width))


def test_of_a_square_image_all_squares_are_the_same():
    assert len(set(googlenet_144().boxes(300, 300))) == 48


def test_the_grid_reaches_all_edges_evenly():
    boxes = [box for box in vgg_multi_crop((512,)).boxes(512, 768) if not box.mirrored]
    assert [(box.left, box.top) for box in boxes] == [
        (left, top) for top in (0, 72, 144, 216, 288) for left in (0, 136, 272, 408, 544)
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1", "centre crop 224 of short side 256"),
        ("10 of 227", "10 crops 227 (4 corners and centre of the central square, mirrored too) of short side 256"),
        (
            "144",
            "144 crops 224 (4 corners and centre of 3 squares, the squares too, mirrored too) "
            "of short sides 256, 288, 320, 352",
        ),
        ("150", "150 crops 224 (5 x 5 grid, mirrored too) of short sides 256, 384, 512"),
    ],
)
def test_a_protocol_in_words(name, words):
    assert str(PROTOCOLS[name]) == words


def test_what_differs_has_other_words():
    first = googlenet_144()
    others = [{"size": 200}, {"scales": (256,)}, {"places": grid(3)}, {"squares": None}, {"mirrored": False}]
    words = [str(first), *(str(dataclasses.replace(first, **fields)) for fields in others)]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: single_crop(257), "size is 257, expected 1 to 256, the smallest scale"),
        (lambda: googlenet_144(299), "size is 299, expected 1 to 256, the smallest scale"),
        (lambda: vgg_multi_crop((512, 192)), "size is 224, expected 1 to 192, the smallest scale"),
        (lambda: ten_crop(0), "size is 0, expected 1 to 256"),
        (lambda: vgg_multi_crop(()), r"scales are \(\), expected at least one"),
        (lambda: vgg_multi_crop((256, 384, 256)), r"scales are \(256, 384, 256\), expected .* none twice"),
        (lambda: grid(1), "n is 1, expected at least 2"),
        (lambda: ten_crop().boxes(0, 40), "the image is 0 x 40 pixels, expected at least 1 x 1"),
        (lambda: ten_crop().views(photo(9, 9).convert("L")), "the image's mode is L, expected RGB"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
