"""`imagenet2012` from tar files."""

import dataclasses
import hashlib
import io
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.datasets.imagenet2012.imagenet2012_dataset_builder import CMYK_IMAGES, PNG_IMAGES
from tensorflow_datasets.proto import tf_example_pb2

from cnn_evolution.data import CenterCrop, evaluation_batches, open_source
from cnn_evolution.data.imagenet.preparing import directory_of, prepare
from cnn_evolution.data.imagenet.reports import silent
from cnn_evolution.data.imagenet.tarballs import UNCHECKED
from tests.data.fake_imagenet import records, write_tarballs
from tests.tiers import exhaustive


def whole_examples(directory, split):
    return [tf_example_pb2.Example.FromString(record) for record in records(directory, split)]


def examples(directory, split):
    """The features of each record, in order."""
    return [example.features.feature for example in whole_examples(directory, split)]


def file_names(directory, split):
    return [one["file_name"].bytes_list.value[0].decode() for one in examples(directory, split)]


def by_hash(split, names):
    return sorted(names, key=lambda name: hashlib.md5((split + name).encode()).hexdigest())


def test_every_image_is_there_once_in_the_order_of_tfds_with_its_class(fake, prepared):
    directory = prepared / "imagenet2012/5.1.0"
    assert file_names(directory, "train") == by_hash("train", fake.train)
    validation = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 11)]
    assert file_names(directory, "validation") == by_hash("validation", validation)
    source = open_source("imagenet2012", "train", data_dir=prepared)
    for index, name in enumerate(by_hash("train", fake.train)):
        assert source.class_names[source.records[index][1]] == name.partition("_")[0]


def test_validation_images_have_the_labels_that_come_with_tfds(prepared):
    labels = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt").read_text().split()
    source = open_source("imagenet2012", "validation", data_dir=prepared)
    for index, name in enumerate(file_names(prepared / "imagenet2012/5.1.0", "validation")):
        assert source.class_names[source.records[index][1]] == labels[int(name[15:23]) - 1]


def test_files_stay_as_they_are_but_for_those_that_tfds_makes_anew(fake, prepared):
    for one in examples(prepared / "imagenet2012/5.1.0", "train"):
        name, data = one["file_name"].bytes_list.value[0].decode(), one["image"].bytes_list.value[0]
        if name in {*CMYK_IMAGES, *PNG_IMAGES}:
            image = Image.open(io.BytesIO(data))
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert image.size == Image.open(io.BytesIO(fake.train[name])).size
        else:
            assert data == fake.train[name]


def test_the_reader_reads_all_of_it(prepared):
    source = open_source("imagenet2012", "train", data_dir=prepared)
    crop = CenterCrop(16, 16)
    labels = np.concatenate([batch["label"] for batch in evaluation_batches(source, batch_size=128, crop=crop)])
    assert (labels >= 0).sum() == len(source) == 1026


def test_shards_are_cut_as_asked_and_hold_the_same(fake, prepared, tmp_path):
    directory = prepare(fake.tarballs, tmp_path, fake.archives, shards=4, threads=2)
    assert len(list(directory.glob("*-train.array_record-*-of-00004"))) == 4
    assert file_names(directory, "train") == file_names(prepared / "imagenet2012/5.1.0", "train")
    info = tfds.builder_from_directory(directory).info
    assert info.splits["train"].shard_lengths == [256, 257, 257, 256]
    assert info.splits["train"].num_bytes == sum(one.ByteSize() for one in whole_examples(directory, "train"))


@exhaustive
def test_it_is_what_the_builder_of_tfds_makes_with_tensorflow(fake, tmp_path):
    pytest.importorskip("tensorflow")
    ours = prepare(fake.tarballs, tmp_path / "ours", fake.archives, shards=4)
    config = tfds.download.DownloadConfig(manual_dir=fake.tarballs, num_shards=4)
    builder = tfds.builder("imagenet2012", data_dir=tmp_path / "theirs")
    builder.download_and_prepare(
        file_format="array_record", download_config=config, download_dir=tmp_path / "downloads"
    )
    theirs = tmp_path / "theirs/imagenet2012/5.1.0"
    for name in ("dataset_info.json", "features.json", "label.labels.txt"):
        assert (ours / name).read_text() == (theirs / name).read_text()
    for split in ("train", "validation"):
        assert whole_examples(ours, split) == whole_examples(theirs, split)


KILLED = """
import contextlib, os, signal, sys
from pathlib import Path
from cnn_evolution.data.imagenet.preparing import prepare
from cnn_evolution.data.imagenet.tarballs import UNCHECKED

@contextlib.contextmanager
def reporter(counted, total, done):
    yield lambda more: os.kill(os.getpid(), signal.SIGKILL) if counted == "images of train" else None

prepare(Path(sys.argv[1]), Path(sys.argv[2]), UNCHECKED, shards=3, reporter=reporter)
"""


def test_after_a_kill_only_the_missing_shards_are_written(few, tmp_path):
    data_dir = tmp_path / "data"
    killed = subprocess.run([sys.executable, "-c", KILLED, few.tarballs, data_dir], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match="no prepared data set 'imagenet2012'"):
        open_source("imagenet2012", "train", data_dir=data_dir)
    (work,) = (data_dir / "imagenet2012").glob("*.unfinished")
    first = work / "imagenet2012-train.array_record-00000-of-00003"
    written_at, done_before = first.stat().st_mtime_ns, []

    def reporter(counted, total, done):
        done_before.append((counted, total, done))
        return silent(counted, total, done)

    directory = prepare(few.tarballs, data_dir, UNCHECKED, shards=3, reporter=reporter)
    assert done_before[-2:] == [("images of train", 6, 2), ("images of validation", 3, 0)]
    assert (directory / first.name).stat().st_mtime_ns == written_at and not work.exists()
    whole = prepare(few.tarballs, tmp_path / "whole", UNCHECKED, shards=3)
    for split in ("train", "validation"):
        assert whole_examples(directory, split) == whole_examples(whole, split)
    assert (directory / "dataset_info.json").read_text() == (whole / "dataset_info.json").read_text()


def test_what_is_wrong_with_files_and_room_is_said_at_once_and_nothing_is_written(few, tmp_path, monkeypatch):
    (few.tarballs / "ILSVRC2012_img_val.tar").unlink()
    archives = (dataclasses.replace(few.archives[0], size=10**6), few.archives[1])
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError) as error:
        prepare(few.tarballs, tmp_path / "data", archives)
    for part in ("expected 1,000,000: it is truncated", "val.tar is missing", "has room for 10 bytes", "image-net.org"):
        assert part in str(error.value)
    assert not (tmp_path / "data").exists()


def test_another_md5_is_refused_before_anything_is_written(few, tmp_path):
    archives = (few.archives[0], dataclasses.replace(few.archives[1], md5="0" * 32))
    with pytest.raises(ValueError, match=f"val.tar has the MD5 {few.archives[1].md5}, expected 000.*Fetch them again"):
        prepare(few.tarballs, tmp_path / "data", archives)
    assert not list((tmp_path / "data").rglob("*.json*"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n99999999_1.JPEG": b"x"}, "holds n99999999.tar, which is none of ImageNet's 1000 classes"),
        ({"n01443537_9.JPEG": b"x"}, "holds 7 images, expected 6"),
    ],
)
def test_tar_files_that_hold_something_else_are_refused(change, message, few, tmp_path):
    write_tarballs(few.tarballs, few.train | change, few.validation)
    expected = (
        UNCHECKED
        if "none of" in message
        else tuple(dataclasses.replace(archive, size=None, md5=None) for archive in few.archives)
    )
    with pytest.raises(ValueError, match=message):
        prepare(few.tarballs, tmp_path / "data", expected)
    assert not list((tmp_path / "data").rglob("*.array_record*"))


def test_what_was_begun_from_other_tar_files_is_refused(few, tmp_path):
    def stop(counted, total, done):
        if counted.startswith("images"):
            raise KeyboardInterrupt
        return silent(counted, total, done)

    with pytest.raises(KeyboardInterrupt):
        prepare(few.tarballs, tmp_path / "data", few.archives, reporter=stop)
    others = write_tarballs(few.tarballs, few.train, few.validation[:2])
    with pytest.raises(ValueError, match=r"was begun from something else: .*ILSVRC2012_img_val.tar differ.*delete it"):
        prepare(few.tarballs, tmp_path / "data", others)


def test_it_is_not_prepared_twice(few, tmp_path):
    prepare(few.tarballs, tmp_path / "data", few.archives)
    with pytest.raises(FileExistsError, match="is there already"):
        prepare(few.tarballs, tmp_path / "data", few.archives)


def test_smaller_images_are_a_data_set_of_another_name(few, tmp_path):
    original = prepare(few.tarballs, tmp_path, few.archives)
    directory = prepare(few.tarballs, tmp_path, few.archives, short_side=10)
    assert directory == directory_of(tmp_path, 10) == tmp_path / "imagenet2012_short10/5.1.0"
    small = open_source("imagenet2012_short10", "train", data_dir=tmp_path)
    whole = open_source("imagenet2012", "train", data_dir=tmp_path)
    assert small.fingerprint != whole.fingerprint and small.class_names == whole.class_names
    assert file_names(directory, "train") == file_names(original, "train")
    for index in range(len(small)):
        assert Image.open(io.BytesIO(small.records[index][0])).size == (15, 10)
        assert small.records[index][1] == whole.records[index][1]


def test_an_image_that_cannot_be_made_smaller_is_named(few, tmp_path):
    archives = write_tarballs(few.tarballs, few.train | {"n01440764_1.JPEG": b"no image"}, few.validation)
    prepare(few.tarballs, tmp_path / "whole", archives)  # which does not look into files
    with pytest.raises(ValueError, match=r"n01440764_1\.JPEG in .* cannot be decoded"):
        prepare(few.tarballs, tmp_path / "small", archives, short_side=10)
