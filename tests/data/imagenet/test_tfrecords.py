"""TFRecord files become ArrayRecord files."""

import json

import pytest
import tensorflow_datasets as tfds
from tensorboardX.record_writer import RecordWriter

from cnn_evolution.data import open_source
from cnn_evolution.data.imagenet.preparing import prepare
from cnn_evolution.data.imagenet.reports import silent
from cnn_evolution.data.imagenet.tfrecords import convert, holds_tfrecords_only, read_tfrecord
from tests.data.fake_imagenet import records, tfrecord_copy


@pytest.fixture
def copy(few, tmp_path):
    """Six and three images in TFRecord files, and the ArrayRecord files that they were made from."""
    original = prepare(few.tarballs, tmp_path / "original", few.archives)
    return tfrecord_copy(original, tmp_path / "data"), original


def tfrecord(path, records):
    writer = RecordWriter(str(path))
    for record in records:
        writer.write(record)
    writer.close()
    return path


def test_records_and_order_stay_and_both_formats_are_known(copy):
    directory, original = copy
    assert holds_tfrecords_only(directory)
    convert(directory)
    assert not holds_tfrecords_only(directory)
    for split in ("train", "validation"):
        assert records(directory, split) == records(original, split)
    formats = tfds.builder_from_directory(directory).info.available_file_formats()
    assert {one.value for one in formats} == {"tfrecord", "array_record"}
    one, other = (open_source("imagenet2012", "train", data_dir=path.parents[1]) for path in copy)
    assert one.fingerprint == other.fingerprint
    assert len(list(directory.glob("*.tfrecord-*"))) == 2


def test_neither_a_missing_directory_nor_one_of_array_records_is_converted(few, tmp_path):
    assert not holds_tfrecords_only(tmp_path)
    assert not holds_tfrecords_only(prepare(few.tarballs, tmp_path, few.archives))


def test_it_goes_on_where_it_stopped(copy):
    directory, original = copy

    def stop(counted, total, done):
        if counted == "records of validation":
            raise KeyboardInterrupt
        return silent(counted, total, done)

    with pytest.raises(KeyboardInterrupt):
        convert(directory, reporter=stop)
    assert holds_tfrecords_only(directory)
    (first,) = directory.glob("*-train.array_record-*")
    written_at = first.stat().st_mtime_ns
    convert(directory)
    assert first.stat().st_mtime_ns == written_at
    assert records(directory, "validation") == records(original, "validation")


def test_a_missing_file_is_named(copy):
    (file,) = copy[0].glob("*-train.tfrecord-*")
    file.unlink()
    with pytest.raises(FileNotFoundError, match=f"1 files are missing, of which the first is {file}"):
        convert(copy[0])


def test_another_number_of_records_is_refused_and_not_written(copy):
    (file,) = copy[0].glob("*-train.tfrecord-*")
    tfrecord(file, list(read_tfrecord(file))[:-1])
    with pytest.raises(ValueError, match="has 5 records, expected 6"):
        convert(copy[0])
    assert not list(copy[0].glob("*-train.array_record-*"))
    assert "array_record" not in json.loads((copy[0] / "dataset_info.json").read_text()).values()


def test_records_of_any_length_are_read(tmp_path):
    written = [b"", b"x", bytes(1000)]
    assert list(read_tfrecord(tfrecord(tmp_path / "file", written))) == written
    assert list(read_tfrecord(tfrecord(tmp_path / "file", []))) == []


@pytest.mark.parametrize("place", range(16 + 5))
def test_any_changed_byte_is_found(place, tmp_path):
    path = tfrecord(tmp_path / "file", [b"first", b"other"])
    data = bytearray(path.read_bytes())
    data[21 + place] ^= 16
    path.write_bytes(data)
    read = read_tfrecord(path)
    assert next(read) == b"first"
    with pytest.raises(ValueError, match="file is cut or damaged in the record that begins at byte 21"):
        next(read)


@pytest.mark.parametrize("size", range(22, 42))
def test_a_file_that_ends_early_is_found(size, tmp_path):
    path = tfrecord(tmp_path / "file", [b"first", b"other"])
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="file is cut or damaged in the record that begins at byte 21"):
        list(read_tfrecord(path))
