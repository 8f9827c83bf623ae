"""Images as a network takes them, and its answers by name."""

import dataclasses
import io

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import ExifTags, Image

from cnn_evolution.data import ArraySource, CenterCrop, ImageSource, evaluation_batches
from cnn_evolution.evaluation.classifier import Logits
from cnn_evolution.evaluation.errors import predictor
from cnn_evolution.parallel import split_over_devices
from cnn_evolution.pixels import NORMALISATIONS, normalise
from cnn_evolution.pretrained import Pretrained

SIZE = 24
NAMES = tuple(f"class {label}" for label in range(7))


class Small(nn.Module):
    """Seven logits of a few channels."""

    @nn.compact
    def __call__(self, images, *, train=False):
        return nn.Dense(len(NAMES))(nn.Conv(4, (5, 5), 4)(images).mean((1, 2)))


@pytest.fixture(scope="module")
def network():
    model = Small()
    return Pretrained(
        model=model,
        variables=jax.device_get(model.init(jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3)))),
        pixels=NORMALISATIONS["imagenet"],
        crop=CenterCrop(size=SIZE, resize=28, interpolation="bicubic"),
        classes=NAMES,
    )


def picture(height=53, width=71):
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


FILES = {
    "JPEG": encoded(picture(), "JPEG"),
    "a tall JPEG": encoded(picture(90, 30), "JPEG", quality=40),
    "a small JPEG": encoded(picture(9, 11), "JPEG"),
    "grey JPEG": encoded(picture().convert("L"), "JPEG"),
    "CMYK JPEG": encoded(picture().convert("CMYK"), "JPEG"),
    "PNG": encoded(picture(), "PNG"),
    "PNG with transparency": encoded(picture().convert("RGBA"), "PNG"),
    "PNG with a palette": encoded(picture().convert("P"), "PNG"),
    "16-bit PNG": encoded(Image.fromarray(np.asarray(picture().convert("L"), np.uint16) * 257), "PNG"),
    "array": np.asarray(picture()),
}


class Records(list):
    identity = None


def as_evaluated(network, image):
    """What evaluation feeds: the reader's bytes, normalised within a compiled program."""
    source = ImageSource("one", "all", Records([(image, 0)]), NAMES)
    (batch,) = evaluation_batches(source, batch_size=1, crop=network.crop)
    return np.asarray(jax.jit(lambda images: normalise(images, *network.pixels))(batch["image"])[0])


@pytest.mark.parametrize("kind", FILES)
def test_an_image_is_what_evaluation_feeds_to_the_bit(network, kind):
    image = network.preprocess(FILES[kind])
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.float32
    np.testing.assert_array_equal(image, as_evaluated(network, FILES[kind]))


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "array"])
def test_a_path_its_bytes_and_pillows_image_are_the_same(network, kind, tmp_path):
    (tmp_path / "image").write_bytes(FILES[kind])
    of_bytes = network.preprocess(FILES[kind])
    with Image.open(tmp_path / "image") as opened:
        for image in (tmp_path / "image", str(tmp_path / "image"), opened):
            np.testing.assert_array_equal(network.preprocess(image), of_bytes)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("none.jpg", FileNotFoundError, r"there is no image none\.jpg"),
        (b"", ValueError, "the image is no intact image: it is empty"),
        (b"text", ValueError, "no intact image: of no known kind"),
        (FILES["PNG"][:200], ValueError, "no intact image"),
        (np.zeros((4, 4), np.uint8), ValueError, r"the image is uint8 \(4, 4\); expected RGB as uint8 \(H, W, 3\)"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"uint8 \(4, 4, 4\); expected RGB"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"uint8 \(0, 4, 3\); expected RGB"),
        (np.zeros((4, 4, 3), np.float32), ValueError, r"float32 \(4, 4, 3\); expected RGB as uint8"),
        (7, TypeError, "the image is a int; expected a path, bytes, a Pillow image"),
    ],
)
def test_what_is_no_image_is_refused(network, image, error, message):
    for method in (network.preprocess, network.predict):
        with pytest.raises(error, match=message):
            method(image)


def test_a_damaged_file_is_named(network, tmp_path):
    (tmp_path / "a.png").write_bytes(FILES["PNG"][:200])
    with pytest.raises(ValueError, match=r"a\.png is no intact image"):
        network.preprocess(tmp_path / "a.png")


def test_answers_are_the_most_probable_classes_of_each_image(network, tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["JPEG"])
    images = [tmp_path / "a.jpg", FILES["PNG"], picture(40, 40), FILES["array"]]
    answers = network.predict(images, k=3)
    for image, answer in zip(images, answers, strict=True):
        logits = network.model.apply(network.variables, network.preprocess(image)[None])[0]
        probabilities = np.asarray(jax.nn.softmax(logits))
        best = np.argsort(-probabilities)[:3]
        assert [name for name, _ in answer] == [NAMES[label] for label in best]
        np.testing.assert_allclose([value for _, value in answer], probabilities[best], rtol=1e-5)
    for image, answer in zip(images, answers, strict=True):
        (alone,) = network.predict(image, k=3)
        assert [name for name, _ in alone] == [name for name, _ in answer]


def test_probabilities_are_evaluations(network):
    number = 40  # more than are computed at once
    images = np.random.default_rng(1).integers(0, 256, (number, 30, 40, 3), dtype=np.uint8)
    source = ArraySource(images, [0] * number, NAMES)
    (batch,) = evaluation_batches(source, batch_size=number, crop=network.crop)
    predict = predictor(Logits(network.model), network.pixels, len(NAMES))
    evaluated = np.asarray(predict(network.variables, split_over_devices(batch)["image"], None)).reshape(number, -1)
    answers = [dict(answer) for answer in network.predict(images, k=len(NAMES))]
    np.testing.assert_allclose([[answer[name] for name in NAMES] for answer in answers], evaluated, rtol=1e-4)


def test_an_answer_depends_neither_on_the_number_of_images_nor_on_their_order(network):
    images = list(np.random.default_rng(2).integers(0, 256, (35, 30, 40, 3), dtype=np.uint8))
    together = network.probabilities(images)
    assert together.shape == (35, len(NAMES)) and together.dtype == np.float32
    alone = np.concatenate([network.probabilities(image) for image in images])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    np.testing.assert_allclose(together[::-1], network.probabilities(images[::-1]), rtol=1e-5)
    np.testing.assert_array_equal(network.probabilities(images[:32])[::-1], network.probabilities(images[31::-1]))


def test_two_programs_serve_any_number_of_images(network):
    images, compiled = np.zeros((70, 30, 40, 3), np.uint8), []

    class Counting(Small):
        def __call__(self, images, *, train=False):
            compiled.append(len(images))
            return jnp.tile(images.mean((1, 2)), (1, 3))[:, : len(NAMES)]

    counting = dataclasses.replace(network, model=Counting())
    for number in (1, 3, 31, 32, 33, 70):
        assert len(counting.probabilities(images[:number])) == number
    assert sorted(compiled) == [1, 32]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photographs_are_turned_upright_where_that_is_asked_for(network, kind, tmp_path):
    lying = picture()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera was turned to the right
    (tmp_path / "photo").write_bytes(encoded(lying, kind, exif=exif))
    photo = tmp_path / "photo"
    with Image.open(photo) as opened:
        upright = opened.transpose(Image.Transpose.ROTATE_270)
        for image in (photo, str(photo), photo.read_bytes(), opened):
            answers = network.probabilities(image, upright=True)
            np.testing.assert_array_equal(answers, network.probabilities(np.asarray(upright)))
    assert network.predict(photo, upright=True) == network.predict(np.asarray(upright))
    np.testing.assert_array_equal(network.preprocess(photo), network.preprocess(encoded(lying, kind)))
    np.testing.assert_array_equal(network.probabilities(photo), network.probabilities(encoded(lying, kind)))


def test_probabilities_that_are_no_numbers_are_no_answer(network):
    diverged = dataclasses.replace(
        network, variables=jax.tree.map(lambda x: np.full_like(x, np.nan), network.variables)
    )
    with pytest.raises(FloatingPointError, match="2 of 2 images get probabilities that are no numbers"):
        diverged.predict([FILES["PNG"], FILES["JPEG"]])


def test_softmax_is_float32_whatever_the_network_computes_in(network):
    half = dataclasses.replace(network, model=Half())
    (answer,) = half.predict(FILES["array"], k=7)
    assert [value for _, value in answer] == pytest.approx([1 / 7] * 7, rel=1e-6)


class Half(nn.Module):
    """Equal logits in bfloat16, in which 1/7 has an error of 1e-3."""

    @nn.compact
    def __call__(self, images, *, train=False):
        return jnp.zeros((len(images), len(NAMES)), jnp.bfloat16)


@pytest.mark.parametrize("k", [0, 8, -1])
def test_more_classes_than_there_are_are_refused(network, k):
    with pytest.raises(ValueError, match=rf"k is {k}; expected 1 to 7, the number of classes"):
        network.predict(FILES["PNG"], k=k)


def test_a_network_without_classes_has_no_answers(network):
    with pytest.raises(ValueError, match="this network has no classes"):
        dataclasses.replace(network, classes=()).predict(FILES["PNG"])
    with pytest.raises(ValueError, match="this network has no classes"):
        dataclasses.replace(network, classes=()).probabilities(FILES["PNG"])


def test_no_images_have_no_answers(network):
    assert network.predict([]) == []
    assert network.probabilities([]).shape == (0, len(NAMES))


def test_a_network_shows_neither_its_weights_nor_a_thousand_names(network):
    assert len(repr(network)) < 500
