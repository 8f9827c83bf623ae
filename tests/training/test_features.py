"""Features of every image of a split: computed once, and used again only for what they are of."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest

from cnn_evolution.data import ArraySource, CenterCrop, ImageSource
from cnn_evolution.pixels import NORMALISATIONS
from cnn_evolution.pretrained import Pretrained
from cnn_evolution.training import features as module
from cnn_evolution.training.features import Features, compute_features, headless, stored_features
from tests.networks import Bare, Own

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (11, 20, 24, 3)).astype(np.uint8), RNG.integers(0, 2, 11)
SOURCE = ArraySource(IMAGES, LABELS, ("cat", "dog"))


def pretrained(model, seed=0):
    variables = jax.device_get(model.init(jax.random.key(seed), np.zeros((1, 16, 16, 3))))
    crop, pixels = CenterCrop(size=16, resize=18), NORMALISATIONS["half"]
    return Pretrained(model=model, variables=variables, pixels=pixels, crop=crop, classes=("a",))


@pytest.fixture(scope="module")
def network():
    return headless(pretrained(Own()))


class Damaged:
    """The images of which that of number 7 is no image."""

    identity = "damaged"

    def __len__(self):
        return len(SOURCE)

    def __getitem__(self, index):
        image, label = SOURCE.records[index]
        return (b"no image" if index == 7 else image), label


DAMAGED = ImageSource(SOURCE.name, SOURCE.split, Damaged(), SOURCE.class_names)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_every_image_has_its_features_in_order(network, batch_size):
    found = compute_features(network, SOURCE, batch_size=batch_size)
    images = np.stack([network.preprocess(image) for image in IMAGES])
    expected = network.model.apply(network.variables, images)
    assert found.values.shape == (11, 16) and found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.labels, LABELS)


def test_features_of_a_network_in_half_precision_are_float32():
    network = headless(pretrained(Own(dtype=jax.numpy.bfloat16)))
    assert compute_features(network, SOURCE, batch_size=11).values.dtype == np.float32


def test_an_image_that_cannot_be_read_is_left_out_with_its_label(network):
    whole = compute_features(network, SOURCE, batch_size=4)
    found = compute_features(network, DAMAGED, batch_size=4, max_corrupt=1)
    np.testing.assert_array_equal(found.values, np.delete(whole.values, 7, 0))
    np.testing.assert_array_equal(found.labels, np.delete(LABELS, 7))
    with pytest.raises(ValueError, match="record 7"):
        compute_features(network, DAMAGED, batch_size=4)


@pytest.fixture
def computed(monkeypatch):
    """The sources whose features were computed."""
    sources, compute = [], module.compute_features

    def counted(network, source, **reading):
        sources.append(source)
        return compute(network, source, **reading)

    monkeypatch.setattr(module, "compute_features", counted)
    return sources


def test_features_are_stored_and_used_again_without_a_word(network, tmp_path, computed, caplog):
    path = tmp_path / "new" / "train.npz"
    first = stored_features(path, network, SOURCE, batch_size=4)
    again = stored_features(path, network, SOURCE, batch_size=11, workers=0)
    assert len(computed) == 1 and not caplog.text and again.identity == first.identity
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(again.labels, first.labels)
    assert [one.name for one in path.parent.iterdir()] == ["train.npz"]


OTHERS = {
    "weights": lambda network: {"network": headless(pretrained(Own(), seed=1))},
    "network.stem_stride": lambda network: {
        "network": dataclasses.replace(network, model=network.model.clone(stem_stride=2))
    },
    "crop.resize": lambda network: {"network": dataclasses.replace(network, crop=CenterCrop(size=16, resize=17))},
    "pixels.mean": lambda network: {"network": dataclasses.replace(network, pixels=NORMALISATIONS["imagenet"])},
    "fingerprint": lambda network: {"source": ArraySource(255 - IMAGES, LABELS, ("cat", "dog"))},
    "images": lambda network: {"source": ArraySource(IMAGES[1:], LABELS[1:], ("cat", "dog"))},
    "split": lambda network: {"source": ArraySource(IMAGES, LABELS, ("cat", "dog"), split="test")},
    "max_corrupt": lambda network: {"max_corrupt": 1},
}


@pytest.mark.parametrize("field", OTHERS)
def test_features_of_others_are_computed_anew_and_what_differs_is_said(field, network, tmp_path, caplog):
    path, reading = tmp_path / "train.npz", {"batch_size": 11}
    stored_features(path, network, SOURCE, **reading)
    other = {"network": network, "source": SOURCE, **reading} | OTHERS[field](network)
    found = stored_features(path, **other)
    assert "holds other features, which are computed anew" in caplog.text and f"{field}: " in caplog.text
    np.testing.assert_array_equal(found.values, compute_features(**other).values)
    caplog.clear()
    stored_features(path, **other)
    assert not caplog.text


def test_features_of_another_format_or_library_are_computed_anew(network, tmp_path, monkeypatch, caplog):
    stored_features(tmp_path / "train.npz", network, SOURCE, batch_size=11)
    monkeypatch.setattr(module, "FORMAT", 2)
    monkeypatch.setattr(module, "library_versions", lambda: {"pillow": "0"})
    stored_features(tmp_path / "train.npz", network, SOURCE, batch_size=11)
    assert "format: 2 against 1" in caplog.text and "versions.pillow: '0' against" in caplog.text


def test_a_file_that_is_damaged_anywhere_is_never_taken_for_whole(network, tmp_path, monkeypatch, caplog):
    path = tmp_path / "train.npz"
    first = stored_features(path, network, SOURCE, batch_size=11)
    monkeypatch.setattr(module, "compute_features", lambda *_, **__: first)
    whole = path.read_bytes()
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        found = stored_features(path, network, SOURCE, batch_size=11)
        np.testing.assert_array_equal(found.values, first.values)
        np.testing.assert_array_equal(found.labels, first.labels)
    for length in (0, 1, len(whole) // 2):
        caplog.clear()
        path.write_bytes(whole[:length])
        stored_features(path, network, SOURCE, batch_size=11)
        assert "train.npz cannot be read, so its features are computed anew" in caplog.text
        assert path.read_bytes() == whole


def test_where_they_cannot_be_computed_nothing_is_stored(network, tmp_path):
    with pytest.raises(ValueError, match="record 7"):
        stored_features(tmp_path / "train.npz", network, DAMAGED, batch_size=4)
    assert not list(tmp_path.iterdir())


def test_features_that_are_no_numbers_are_an_error(network):
    variables = jax.tree.map(np.copy, network.variables)
    variables["params"]["conv1"]["bias"][0] = np.inf
    broken = dataclasses.replace(network, variables=variables)
    with pytest.raises(ValueError, match="gives 11 of 11 images features that are no finite numbers"):
        compute_features(broken, SOURCE, batch_size=4)


def test_several_processes_are_refused(network, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="features are computed by one process, but 2 take part"):
        compute_features(network, SOURCE, batch_size=4)


def test_a_batch_needs_an_image(network):
    with pytest.raises(ValueError, match="batch_size is 0"):
        compute_features(network, SOURCE, batch_size=0)


class Fixed(Own):
    """Has its last layer whatever `num_classes` is."""

    @nn.compact
    def __call__(self, images, *, train=False):
        return nn.Dense(self.num_classes, name="fc")(images.mean((1, 2)))


class Map(Own):
    """Ends in a map."""

    @nn.compact
    def __call__(self, images, *, train=False):
        return nn.Conv(3, (3, 3), name="conv")(images)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Bare(), "Bare has no form with num_classes=0"),
        (Fixed(), "Fixed has no form with num_classes=0"),
        (Map(), r"Map with num_classes=0 gives \(1, 16, 16, 3\) of one image, expected features \(1, C\)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_network_without_features_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        headless(pretrained(model))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (np.zeros((3, 2)), np.zeros(3, np.int32)),
        (np.zeros((3, 2), np.float32), np.zeros(3, np.int64)),
        (np.zeros((3, 2), np.float32), np.zeros(2, np.int32)),
        (np.zeros(3, np.float32), np.zeros(3, np.int32)),
    ],
)
def test_features_have_one_shape_and_type(values, labels):
    with pytest.raises(ValueError, match="expected float32"):
        Features(values=values, labels=labels, identity={})
