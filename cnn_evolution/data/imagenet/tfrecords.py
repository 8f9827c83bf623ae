"""TFRecord files of a data set that TFDS prepared, as ArrayRecord files beside them; without TensorFlow.

A record is its length (8 bytes, little-endian), a masked CRC32C of that (4), its bytes, and their masked CRC32C (4):
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import functools
import importlib.util
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from cnn_evolution.data.imagenet.reports import Reporter, silent
from cnn_evolution.data.imagenet.shards import LEDGER, Ledger, Shard, alone, too_little_room, write_shards
from cnn_evolution.files import write_whole
from cnn_evolution.needed import needed_for

with needed_for("converting TFRecord files"):
    import tensorflow_datasets as tfds
    from tensorboardX.record_writer import masked_crc32c
    from tensorflow_datasets.core.dataset_info import dataset_info_path, get_dataset_info_json
    from tensorflow_datasets.core.file_adapters import FileFormat

FAST_CHECKSUMS = importlib.util.find_spec("crc32c") is not None
"""Whether the package is installed with which tensorboardX computes checksums, instead of in Python."""


def holds_tfrecords_only(directory: Path) -> bool:
    """Whether TFDS prepared a data set there as TFRecord files and nothing made ArrayRecord files of them."""
    if not dataset_info_path(directory).exists():
        return False
    formats = tfds.builder_from_directory(directory).info.available_file_formats()
    return FileFormat.TFRECORD in formats and FileFormat.ARRAY_RECORD not in formats


def convert(directory: Path, *, threads: int = 1, reporter: Reporter = silent) -> None:
    """Writes an ArrayRecord file beside each TFRecord file, with the same records in the same order.

    When all are there, `dataset_info.json` names the format among the alternative ones, as TFDS's own conversion
    does; the TFRecord files stay. Started again, it goes on with the files that are missing.

    Args:
        directory: `data_dir/name/[config/]version`, for which `holds_tfrecords_only`.
        threads: How many files are written at once.
        reporter: Opens reports on the records of each split.

    Raises:
        ValueError: A file is damaged, or has another number of records than `dataset_info.json` says.
        OSError: A file is missing, or there is too little room, or another process writes there.
    """
    info = tfds.builder_from_directory(directory).info
    sources = {name: _files(split, FileFormat.TFRECORD) for name, split in info.splits.items()}
    if missing := [path for paths in sources.values() for path in paths if not path.exists()]:
        raise FileNotFoundError(f"{len(missing)} files are missing, of which the first is {missing[0]}")
    origin = {path.name: path.stat().st_size for paths in sources.values() for path in paths}
    written = sum(path.stat().st_size for path in directory.glob("*.array_record-*"))
    if wrong := too_little_room(directory, sum(origin.values()) - written):
        raise OSError(wrong[0])
    with alone(directory.parent):
        ledger = Ledger(directory / LEDGER, {"tfrecords": origin})
        if not ledger.begun():
            ledger.begin()
        for name, split in info.splits.items():
            paths = _files(split, FileFormat.ARRAY_RECORD)
            shards = [
                Shard(path, length, functools.partial(read_tfrecord, source))
                for path, length, source in zip(paths, split.shard_lengths, sources[name], strict=True)
            ]
            write_shards(shards, ledger, f"records of {name}", reporter, threads)
        proto = info.as_proto
        proto.alternative_file_formats.append(FileFormat.ARRAY_RECORD.value)
        write_whole(Path(os.fspath(dataset_info_path(directory))), get_dataset_info_json(proto).encode())


def _files(split: tfds.core.SplitInfo, file_format: FileFormat) -> list[Path]:
    template = split.filename_template.replace(filetype_suffix=file_format.file_suffix)
    return [Path(path) for path in template.sharded_filepaths(split.num_shards)]


def read_tfrecord(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file.

    Raises:
        ValueError: It is cut, or the bytes do not have their checksum.
    """
    with path.open("rb") as file:
        offset = 0
        while header := file.read(12):
            checked = len(header) == 12 and masked_crc32c(header[:8]) == int.from_bytes(header[8:], "little")
            size = struct.unpack("<Q", header[:8])[0] if checked else 0
            record, checksum = file.read(size), file.read(4)
            if not checked or len(record) < size or masked_crc32c(record) != int.from_bytes(checksum, "little"):
                raise ValueError(f"{path} is cut or damaged in the record that begins at byte {offset:,}")
            yield record
            offset += 16 + size
