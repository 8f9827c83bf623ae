"""Arrays as a source, fingerprints, and labels by the names of classes."""

import pickle

import numpy as np
import pytest
from PIL import ExifTags, Image

from cnn_evolution.data import ArraySource, CenterCrop, evaluation_batches, open_source, train_batches
from cnn_evolution.data.decoding import open_pillow


def arrays(count=4, side=20):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_arrays_are_a_source_like_any_other():
    images = arrays()
    source = ArraySource(images, [0, 1, 1, 0], ("cat", "dog"))
    assert (len(source), source.num_classes, source.class_names) == (4, 2, ("cat", "dog"))
    whole = CenterCrop(20, 20)
    (batch,) = evaluation_batches(source, batch_size=4, crop=whole)
    np.testing.assert_array_equal(batch["image"], images)
    np.testing.assert_array_equal(batch["label"], [0, 1, 1, 0])
    batch = next(train_batches(source, batch_size=4, crop=whole, seed=0, workers=1))
    order = [int(np.flatnonzero((images == row).all((1, 2, 3)))[0]) for row in batch["image"]]
    assert sorted(order) == [0, 1, 2, 3] and [source.records[i][1] for i in order] == list(batch["label"])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (arrays() / 255, [0, 1, 1, 0], r"images are float64 \(4, 20, 20, 3\), expected uint8 \(N, H, W, 3\)"),
        (arrays()[..., 0], [0, 1, 1, 0], r"images are uint8 \(4, 20, 20\)"),
        (arrays(0), [], r"images are uint8 \(0, 20, 20, 3\)"),
        (arrays(), [0, 1, 1], r"labels are int64 \(3,\), expected whole numbers \(4,\)"),
        (arrays(), [0.0, 1.0, 1.0, 0.0], "labels are float64"),
        (arrays(), [0, 2, 1, 0], "label 2 of image 1 is no class, expected 0 to 1"),
        (arrays(), [0, 1, -1, 0], "label -1 of image 2 is no class"),
    ],
)
def test_arrays_that_are_no_images_and_labels_that_are_no_classes_are_named(images, labels, message):
    with pytest.raises(ValueError, match=message):
        ArraySource(images, labels, ("cat", "dog"))


def test_a_fingerprint_tells_data_apart_and_stays(folder, mini_dir):
    images = arrays()
    brighter = np.where(np.arange(4)[:, None, None, None] == 3, 255 - images, images)

    def prints():
        return [
            ArraySource(images, [0, 1, 1, 0], ("cat", "dog")).fingerprint,
            ArraySource(images, [0, 1, 0, 0], ("cat", "dog")).fingerprint,
            ArraySource(images, [0, 1, 1, 0], ("cat", "ant")).fingerprint,
            ArraySource(brighter, [0, 1, 1, 0], ("cat", "dog")).fingerprint,
            open_source("imagefolder", "train", data_dir=folder).fingerprint,
            open_source("imagefolder", "val", data_dir=folder).fingerprint,
            open_source("mini_ilsvrc/tiny", "train", data_dir=mini_dir).fingerprint,
            open_source("mini_ilsvrc/tiny", "validation", data_dir=mini_dir).fingerprint,
        ]

    before = prints()
    assert len(set(before)) == 8 and prints() == before
    (folder / "train" / "cat" / "0.jpg").rename(folder / "train" / "cat" / "9.jpg")
    assert [a == b for a, b in zip(before, prints(), strict=True)] == [True] * 4 + [False] + [True] * 3


def test_labels_follow_the_names_of_classes_in_another_list():
    source = ArraySource(arrays(), [0, 1, 1, 0], ("cat", "dog"))
    other = pickle.loads(pickle.dumps(source.with_classes(("ant", "dog", "cat"))))  # as workers get it
    assert [other.records[index][1] for index in range(4)] == [2, 1, 1, 2]
    assert len(other) == 4 and other.num_classes == 3 and other.fingerprint != source.fingerprint
    assert source.with_classes(["cat", "dog"]) is source
    with pytest.raises(ValueError, match=r"1 of the 2 classes of arrays \(cat\) are not among the 2 expected"):
        source.with_classes(("dog", "ant"))
    with pytest.raises(ValueError, match="cannot be told apart by their names"):
        source.with_classes(("cat", "dog", "dog"))


def test_an_image_is_called_by_its_path_or_its_number(folder):
    source = open_source("imagefolder", "train", data_dir=folder)
    assert source.image_id(4) == "train/dog/1.jpg" == source.with_classes(("dog", "cat")).image_id(4)
    assert ArraySource(arrays(), [0, 1, 1, 0], ("cat", "dog")).image_id(2) == "all/2"


def test_an_upright_source_turns_photographs_as_their_exif_data_says_and_is_another_source(tmp_path):
    pixels = arrays(1)[0][:12]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera lay on its side
    folder = tmp_path / "train" / "cat"
    folder.mkdir(parents=True)
    for name, tags in (("a.png", None), ("b.png", exif)):
        Image.fromarray(pixels).save(folder / name, exif=tags)
    (folder / "c.png").write_bytes(b"no image")
    source = open_source("imagefolder", "train", data_dir=tmp_path)
    upright = source.upright()
    images = [np.asarray(open_pillow(upright.records[i][0])) for i in (0, 1)]
    assert np.array_equal(images[0], pixels) and np.array_equal(images[1], np.rot90(pixels, -1))
    assert upright.records[2] == source.records[2] and upright.image_id(2) == source.image_id(2)
    assert np.array_equal(np.asarray(open_pillow(source.records[1][0])), pixels)
    assert upright.fingerprint != source.fingerprint and len(upright) == 3
